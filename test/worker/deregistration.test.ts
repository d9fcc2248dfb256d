import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { mintToken } from "../support/issuers.ts";
import { configure, deregister, newDomain, newGuid, register, reply, rows } from "../support/worker/client.ts";

describe("de-registration", () => {
  it("steps 1 and 2: an unknown domain is denied, and not created", async () => {
    const domain = newDomain();
    for (const preview of [true, false]) {
      const answer = await deregister(domain, newGuid(), { preview });
      expect(answer.status).toBe(403);
      expect(answer.body).toMatchObject({ error: "DEREG_DENIED", code: 401, status: 403 });
    }
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(404);
    expect(await rows(domain)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it("step 3: demands the same authentication as a registration", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await configure(domain, { authenticationRequired: true, authNamespace: "studio" });
    const token = async (namespace: "studio" | "arcade") => ({
      authorization: `Bearer ${await mintToken(namespace, env.TEST_ISSUER_KEYS[namespace])}`,
    });
    const before = await rows(domain);
    for (const preview of [true, false]) {
      for (const headers of [{}, await token("arcade")]) {
        const answer = await deregister(domain, guid, { preview }, headers);
        expect(answer.status).toBe(401);
        expect(answer.body).toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED", code: 503 });
      }
    }
    expect(await rows(domain)).toEqual(before);
    expect((await deregister(domain, guid, {}, await token("studio"))).status).toBe(200);
  });

  it("step 3 comes before step 4: who may not ask is not told who is a member", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true });
    expect((await deregister(domain, newGuid())).body.code).toBe(503);
  });

  it("step 4: a device that is not a member is denied", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    const before = await rows(domain);
    expect((await deregister(domain, newGuid())).body).toMatchObject({ error: "DEREG_DENIED", code: 401 });
    expect((await deregister(domain, newGuid(), { preview: true })).body.code).toBe(401);
    expect(await rows(domain)).toEqual(before);
  });

  it("step 4: a member of another domain is not a member of this one", async () => {
    const [here, there] = [newDomain(), newDomain()];
    const guid = newGuid();
    await register(there, guid);
    await register(here, newGuid());
    expect((await deregister(here, guid)).status).toBe(403);
  });

  it("step 5: a preview says what would happen, and changes nothing", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const before = await rows(domain);
    const answer = await deregister(domain, guid, { preview: true });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ domain, machineGuid: guid, preview: true, allowed: true, deregistered: false });
    expect(await rows(domain)).toEqual(before);
  });

  it("step 5: a real one deletes the membership and sets the rollover flag, in one commit", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const answer = await deregister(domain, guid.toUpperCase());
    expect(answer.body).toEqual({ domain, machineGuid: guid, preview: false, allowed: true, deregistered: true });
    const { info, members, log, keys } = await rows(domain);
    expect(members).toEqual([]);
    expect(info).toMatchObject({ key_rollover_required: 1, member_count: 0, revision: 2 });
    expect(log).toHaveLength(2);
    expect(keys).toHaveLength(1);
  });

  it("is denied the second time", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await deregister(domain, guid);
    expect((await deregister(domain, guid)).body.error).toBe("DEREG_DENIED");
  });

  it("leaves the newest key unfit to encrypt to until the next registration", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBe(1);
    await deregister(domain, guid);
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBeNull();
    await register(domain, newGuid());
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBe(2);
  });
});
