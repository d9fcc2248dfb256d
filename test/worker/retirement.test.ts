import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import { mintToken } from "../support/issuers.ts";
import {
  asAdmin,
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  ORIGIN,
  type Reply,
  register,
  reply,
  rows,
  stored,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { evict, execute, executeAsBatch, gist, joins, operators } from "../support/worker/objects.ts";

function retire(domain: string, upTo: unknown, headers: Record<string, string> = asAdmin): Promise<Reply> {
  return reply("PUT", `/admin/domains/${domain}/retired-keys`, { upTo }, headers);
}

function look(path: string): Promise<Reply> {
  return reply("GET", path, undefined, asAdmin);
}

function keyVersions({ body }: Reply): number[] {
  return body.credentials.map(({ keyVersion }: { keyVersion: number }) => keyVersion);
}

/** A domain at key version 3 with one member. */
async function newDomainAtThree() {
  const domain = newDomain();
  const member = newGuid();
  await register(domain, member);
  for (let times = 0; times < 2; times++) {
    await reply("POST", `/admin/domains/${domain}/rollover`, { when: "now" }, asAdmin);
  }
  return { domain, member };
}

async function spoilKey(domain: string, keyVersion: number): Promise<void> {
  await stored(domain, "update domain_keys set wrapped_private_jwk = 'garbage' where key_version = ?", keyVersion);
}

describe("keys that an operator retires", () => {
  it("are handed out to nobody any more, and brought back", async () => {
    const { domain, member } = await newDomainAtThree();
    for (const [upTo, versions] of [
      [2, [3]],
      [1, [2, 3]],
      [0, [1, 2, 3]],
    ] as const) {
      const answer = await retire(domain, upTo);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ domain, retiredUpTo: upTo, keyVersion: 3 });
      const [join, renewal] = [await register(domain, newGuid()), await register(domain, member)];
      expect([join.status, keyVersions(join), join.body.keyVersion]).toEqual([201, versions, 3]);
      expect([renewal.status, keyVersions(renewal), renewal.body.keyVersion]).toEqual([200, versions, 3]);
    }
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("leave a device that asks for later keys what it asked for", async () => {
    const { domain, member } = await newDomainAtThree();
    await retire(domain, 1);
    for (const [afterKeyVersion, versions] of [
      [0, [2, 3]],
      [1, [2, 3]],
      [2, [3]],
      [3, []],
    ] as const) {
      expect(keyVersions(await register(domain, member, { afterKeyVersion }))).toEqual(versions);
    }
  });

  it("are shown wherever a domain is, and are none at first", async () => {
    const { domain } = await newDomainAtThree();
    const shown = async () => [
      (await look(`/admin/domains/${domain}`)).body.retiredUpTo,
      (await look(`/admin/domains?prefix=${domain}`)).body.domains[0].retiredUpTo,
      (await configure(domain, {})).body.retiredUpTo,
    ];
    expect(await shown()).toEqual([0, 0, 0]);
    const retired = await retire(domain, 2);
    expect(retired.body).toEqual((await look(`/admin/domains/${domain}`)).body);
    expect(await shown()).toEqual([2, 2, 2]);
    expect((await reply("GET", `/domains/${domain}`)).body).not.toHaveProperty("retiredUpTo");
  });

  it("stay among the public keys, and as they were, also in the database", async () => {
    const { domain } = await newDomainAtThree();
    const [keySet, { keys }] = [await reply("GET", `/domains/${domain}/keys`), await rows(domain)];
    await retire(domain, 2);
    expect(await reply("GET", `/domains/${domain}/keys`)).toMatchObject({ status: 200, body: keySet.body });
    expect(keySet.body.currentKeyVersion).toBe(3);
    expect((await rows(domain)).keys).toEqual(keys);
    await expectCopied(domain);
  });

  it("leave a rollover as it is", async () => {
    const { domain, member } = await newDomainAtThree();
    await retire(domain, 2);
    await deregister(domain, member);
    expect((await retire(domain, 1)).body).toMatchObject({ keyRolloverRequired: true, retiredUpTo: 1 });
    expect((await retire(domain, 3)).status).toBe(400);
    const back = await register(domain, member);
    expect([keyVersions(back), back.body.keyVersion]).toEqual([[2, 3, 4], 4]);
    expect((await retire(domain, 3)).body).toMatchObject({ retiredUpTo: 3, keyRolloverRequired: false });
    expect(keyVersions(await register(domain, newGuid()))).toEqual([4]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("are in the log, once", async () => {
    const { domain } = await newDomainAtThree();
    const before = await rows(domain);
    await retire(domain, 0);
    expect(await rows(domain)).toEqual(before);
    const requestId = (await retire(domain, 2)).headers.get("x-request-id");
    const after = await rows(domain);
    await retire(domain, 2);
    expect(await rows(domain)).toEqual(after);
    const { entries } = (await look(`/admin/domains/${domain}/log?limit=1`)).body;
    expect(entries[0]).toMatchObject({ revision: before.log.length + 1 });
    expect(entries[0].changes).toEqual([{ type: "keys-retired", upTo: 2, previous: 0, requestId, by: "admin-token" }]);
  });
});

describe("what cannot be retired", () => {
  it.each([3, 4, -1, 1.5, Number.MAX_SAFE_INTEGER + 1, "1", true, null, [1], undefined])("%j", async (upTo) => {
    const { domain } = await newDomainAtThree();
    const before = await rows(domain);
    const { status, body } = await retire(domain, upTo);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: "INVALID_REQUEST", errors: [{ field: "upTo" }] });
    expect(await rows(domain)).toEqual(before);
  });

  it("takes no other members", async () => {
    const { domain } = await newDomainAtThree();
    const body = { upTo: 1, keyVersions: [1] };
    const answer = await reply("PUT", `/admin/domains/${domain}/retired-keys`, body, asAdmin);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: "keyVersions" }] } });
  });

  it("in a domain without keys is anything but nothing", async () => {
    const domain = newDomain();
    await configure(domain, {});
    expect(await retire(domain, 0)).toMatchObject({ status: 200, body: { retiredUpTo: 0 } });
    expect(await retire(domain, 1)).toMatchObject({ status: 400, body: { errors: [{ field: "upTo" }] } });
  });

  it("is anything of an unknown domain, which is not created", async () => {
    const domain = newDomain();
    for (const upTo of [0, 1]) {
      expect(await retire(domain, upTo)).toMatchObject({ status: 404, body: { error: "DOMAIN_NOT_FOUND" } });
    }
    expect((await rows(domain)).log).toEqual([]);
  });
});

describe("who may retire keys", () => {
  const trusted = JSON.parse(env.TRUSTED_ISSUERS).map((issuer: object) => ({
    ...issuer,
    operatorScopes: ["domains:read", "domains:write", "domains:evict"],
  }));
  const app = createApp();

  async function retireAs(domain: string, authorization: Record<string, string>): Promise<Response> {
    const init = {
      method: "PUT",
      headers: { ...authorization, "content-type": "application/json" },
      body: '{"upTo":1}',
    };
    return app.request(`${ORIGIN}/admin/domains/${domain}/retired-keys`, init, {
      ...env,
      TRUSTED_ISSUERS: JSON.stringify(trusted),
    });
  }

  const holding = async (scope: string) => ({
    authorization: `Bearer ${await mintToken("studio", env.TEST_ISSUER_KEYS.studio, { claims: { scope } })}`,
  });

  it("is who may change domains", async () => {
    const { domain } = await newDomainAtThree();
    const refused = await retireAs(domain, await holding("domains:read domains:evict"));
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ error: "ADMIN_SCOPE_REQUIRED" });
    expect(refused.headers.get("www-authenticate")).toContain('scope="domains:write"');
    expect((await retireAs(domain, {})).status).toBe(401);
    expect((await rows(domain)).info?.retired_up_to).toBe(0);
    expect((await retireAs(domain, await holding("domains:write"))).status).toBe(200);
    expect((await rows(domain)).info?.retired_up_to).toBe(1);
  });
});

describe("a key that does not open", () => {
  afterEach(() => vi.restoreAllMocks());

  it("stops nobody once it is retired, and again once it is brought back", async () => {
    const { domain, member } = await newDomainAtThree();
    await spoilKey(domain, 1);
    await evict(domain);
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect((await register(domain, newGuid())).status).toBe(500);
    await retire(domain, 1);
    for (const guid of [newGuid(), member, newGuid()]) {
      expect(keyVersions(await register(domain, guid))).toEqual([2, 3]);
    }
    await retire(domain, 0);
    expect((await register(domain, newGuid())).status).toBe(500);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("is not read while it is retired", async () => {
    const { domain, member } = await newDomainAtThree();
    await retire(domain, 2);
    await evict(domain);
    const read = vi.spyOn(DomainStorage.prototype, "keys");
    expect(keyVersions(await register(domain, newGuid()))).toEqual([3]);
    expect(keyVersions(await register(domain, member))).toEqual([3]);
    expect(read.mock.results.flatMap(({ value }) => value).map(({ keyVersion }) => keyVersion)).toEqual([3]);
  });
});

describe("keys that are retired at the same time", () => {
  it("are not handed out by a join that is decided later in the same batch", async () => {
    const { domain } = await newDomainAtThree();
    const [, retired, joined] = await executeAsBatch(
      domain,
      joins(newGuid()),
      operators({ type: "retire", upTo: 2 }),
      joins(newGuid()),
    );
    expect(retired && gist(retired)).toMatchObject({ retiredUpTo: 2 });
    const grant = joined && (gist(joined) as { credentials: string });
    expect(grant).toMatchObject({ newMember: true, credentialsAfter: 2, keyVersion: 3 });
    expect(JSON.parse(grant?.credentials ?? "").map(({ keyVersion }: { keyVersion: number }) => keyVersion)).toEqual([
      3,
    ]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("are not retired a second time by a request whose answer was lost", async () => {
    const { domain } = await newDomainAtThree();
    const command = operators({ type: "retire", upTo: 2 });
    expect(gist(await execute(domain, command))).toMatchObject({ retiredUpTo: 2 });
    await retire(domain, 1);
    const before = await rows(domain);
    expect(gist(await execute(domain, command))).toMatchObject({ retiredUpTo: 2 });
    expect(await rows(domain)).toEqual(before);
    expect(before.info?.retired_up_to).toBe(1);
  });
});
