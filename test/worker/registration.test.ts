import { env } from "cloudflare:workers";
import { calculateJwkThumbprint, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { mintToken } from "../support/issuers.ts";
import { configure, deregister, newDomain, newGuid, register, reply, rows } from "../support/worker/client.ts";

const studioToken = async () => ({ authorization: `Bearer ${await mintToken("studio", env.TEST_ISSUER_KEYS.studio)}` });
const arcadeToken = async () => ({ authorization: `Bearer ${await mintToken("arcade", env.TEST_ISSUER_KEYS.arcade)}` });

describe("registration, step 1: the domain comes from the URL", () => {
  it("keeps its case", async () => {
    const domain = `${newDomain()}-Case`;
    await register(domain, newGuid());
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(200);
    expect((await reply("GET", `/domains/${domain.toLowerCase()}`)).status).toBe(404);
  });

  it("decodes percent-encoding once", async () => {
    const domain = `${newDomain()}:living~room@home`;
    await register(domain.replaceAll(":", "%3A").replaceAll("@", "%40"), newGuid());
    expect((await reply("GET", `/domains/${domain}`)).body.domain).toBe(domain);
  });
});

describe("registration, step 2: an unknown domain is inserted", () => {
  it("with no authentication required and no maximum", async () => {
    const domain = newDomain();
    expect((await register(domain, newGuid())).status).toBe(201);
    const { info } = await rows(domain);
    expect(info).toMatchObject({
      authentication_required: 0,
      auth_namespace: null,
      max_membership: null,
      device_key_required: 0,
    });
  });
});

describe("registration, step 3: authentication", () => {
  it("refuses a request without a token, and changes nothing", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true });
    const before = await rows(domain);
    const answer = await register(domain, newGuid());
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED", code: 503, status: 401 });
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    expect(await rows(domain)).toEqual(before);
  });

  it("accepts any trusted issuer's token where no namespace is set", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true });
    expect((await register(domain, newGuid(), {}, await studioToken())).status).toBe(201);
    expect((await register(domain, newGuid(), {}, await arcadeToken())).status).toBe(201);
  });

  it("demands a token of the domain's namespace where one is set", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true, authNamespace: "studio" });
    const refused = await register(domain, newGuid(), {}, await arcadeToken());
    expect(refused.body).toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED", code: 503 });
    expect((await register(domain, newGuid(), {}, await studioToken())).status).toBe(201);
  });

  it("rolls nothing over for a refused request", async () => {
    const domain = newDomain();
    const leaver = newGuid();
    await register(domain, leaver);
    await deregister(domain, leaver);
    await configure(domain, { authenticationRequired: true });
    await register(domain, newGuid());
    const { keys, info } = await rows(domain);
    expect(keys).toHaveLength(1);
    expect(info?.key_rollover_required).toBe(1);
  });

  it("ignores the header where the domain asks for no authentication", async () => {
    expect((await register(newDomain(), newGuid(), {}, { authorization: "Bearer nonsense" })).status).toBe(201);
  });
});

describe("registration, step 4: membership", () => {
  it("adds a new machine once, and serves it again", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const joined = await register(domain, guid);
    expect(joined.status).toBe(201);
    expect(joined.body).toMatchObject({ domain, machineGuid: guid, newMember: true, keyVersion: 1 });
    const renewed = await register(domain, guid);
    expect(renewed.status).toBe(200);
    expect(renewed.body).toMatchObject({ newMember: false, keyVersion: 1 });
    const { members, log } = await rows(domain);
    expect(members).toHaveLength(1);
    expect(log).toHaveLength(1);
  });

  it("takes a GUID in either case and keeps it in lower case", async () => {
    const domain = newDomain();
    const guid = newGuid();
    expect((await register(domain, guid.toUpperCase())).body.machineGuid).toBe(guid);
    expect((await register(domain, guid)).status).toBe(200);
  });

  it("refuses a new machine at the maximum, without a membership or a rollover", async () => {
    const domain = newDomain();
    const [first, second, third] = [newGuid(), newGuid(), newGuid()];
    await configure(domain, { maxMembership: 2 });
    await register(domain, first);
    await register(domain, second);
    const before = await rows(domain);
    const answer = await register(domain, third);
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ error: "DOM_LIMIT_REACHED", code: 502, status: 409 });
    expect(await rows(domain)).toEqual(before);
  });

  it("serves a member of a full domain", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await configure(domain, { maxMembership: 1 });
    await register(domain, guid);
    expect((await register(domain, guid)).status).toBe(200);
  });

  it("lets a new machine in once one has left", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await configure(domain, { maxMembership: 1 });
    await register(domain, guid);
    expect((await register(domain, newGuid())).status).toBe(409);
    await deregister(domain, guid);
    expect((await register(domain, newGuid())).status).toBe(201);
  });
});

describe("registration, step 5: keys", () => {
  it("makes version 1 for a newborn domain's first registration, and keeps it", async () => {
    const domain = newDomain();
    expect((await register(domain, newGuid())).body.keyVersion).toBe(1);
    expect((await register(domain, newGuid())).body.keyVersion).toBe(1);
    expect((await rows(domain)).info?.key_rollover_required).toBe(0);
  });

  it("makes one version more after a leave, in the commit of the next registration", async () => {
    const domain = newDomain();
    const [stays, leaves] = [newGuid(), newGuid()];
    await register(domain, stays);
    await register(domain, leaves);
    await deregister(domain, leaves);
    expect((await rows(domain)).info?.key_rollover_required).toBe(1);
    expect((await register(domain, newGuid())).body.keyVersion).toBe(2);
    const { info, keys, log } = await rows(domain);
    expect(keys.map((key) => key.key_version)).toEqual([1, 2]);
    expect(info?.key_rollover_required).toBe(0);
    const last = JSON.parse(log.at(-1)?.changes as string);
    expect(last.map((change: { type: string }) => change.type)).toEqual(["device-joined", "key-made"]);
  });

  it("rolls over for a renewal as well", async () => {
    const domain = newDomain();
    const [stays, leaves] = [newGuid(), newGuid()];
    await register(domain, stays);
    await register(domain, leaves);
    await deregister(domain, leaves);
    expect((await register(domain, stays)).body).toMatchObject({ newMember: false, keyVersion: 2 });
  });

  it("makes one rollover of several leaves", async () => {
    const domain = newDomain();
    const leavers = [newGuid(), newGuid(), newGuid()];
    for (const guid of leavers) await register(domain, guid);
    for (const guid of leavers) await deregister(domain, guid);
    expect((await register(domain, newGuid())).body.keyVersion).toBe(2);
  });
});

describe("registration, step 6: credentials", () => {
  it("gives one for every version, in rising order", async () => {
    const domain = newDomain();
    for (let version = 1; version <= 3; version++) {
      const guid = newGuid();
      await register(domain, guid);
      await deregister(domain, guid);
    }
    const { body } = await register(domain, newGuid());
    expect(body.credentials.map((each: { keyVersion: number }) => each.keyVersion)).toEqual([1, 2, 3, 4]);
    const privateKeys: JWK[] = body.credentials.map((each: { privateKey: JWK }) => each.privateKey);
    expect(privateKeys.map((key) => (key as Record<string, unknown>).key_version)).toEqual([1, 2, 3, 4]);
    const thumbprints = await Promise.all(privateKeys.map((key) => calculateJwkThumbprint(key)));
    expect(privateKeys.map((key) => key.kid)).toEqual(thumbprints);
    expect(new Set(thumbprints).size).toBe(4);
  });

  it("leaves out those up to afterKeyVersion", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await deregister(domain, guid);
    const { body } = await register(domain, guid, { afterKeyVersion: 1 });
    expect(body.credentials.map((each: { keyVersion: number }) => each.keyVersion)).toEqual([2]);
    expect((await register(domain, guid, { afterKeyVersion: 2 })).body.credentials).toEqual([]);
    expect((await register(domain, guid, { afterKeyVersion: 9 })).body).toMatchObject({
      keyVersion: 2,
      credentials: [],
    });
  });

  it("is not to be stored on the way", async () => {
    expect((await register(newDomain(), newGuid())).headers.get("cache-control")).toBe("no-store");
  });
});
