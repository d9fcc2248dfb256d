import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Outcome } from "../../src/domain/types.ts";
import { mintToken } from "../support/issuers.ts";
import { asAdmin, newDomain, newGuid, ORIGIN, rows } from "../support/worker/client.ts";
import { askWith, limitOf, registerWith } from "../support/worker/environments.ts";
import { faultyDatabase } from "../support/worker/faulty-database.ts";
import { execute, gist, joins, objectOf, setEnvironment } from "../support/worker/objects.ts";

/** The outcome of a device that would create a domain, under a limit of its own. */
async function create(domain: string, limit: () => Promise<{ success: boolean }>) {
  const asked: unknown[] = [];
  const CREATION_LIMIT = {
    limit: (options: unknown) => {
      asked.push(options);
      return limit();
    },
  };
  await setEnvironment(domain, { CREATION_LIMIT });
  const context = { issuer: ORIGIN, addresses: ["203.0.113.7"] };
  return { outcome: await objectOf(domain).execute(joins(newGuid()), context), asked };
}

describe("the limit of creations", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each([
    ["rejects", () => Promise.reject(new Error("rate limits are down"))],
    [
      "throws",
      () => {
        throw new Error("rate limits are down");
      },
    ],
  ] as const)("that cannot be asked because it %s lets the domain come into being, and is logged", async (_, limit) => {
    const warnings = vi.spyOn(console, "warn").mockImplementation(() => {});
    const domain = newDomain();
    expect((await create(domain, limit)).outcome).toMatchObject({ granted: true, grant: { newMember: true } });
    expect((await rows(domain)).info).toMatchObject({ revision: 1, member_count: 1 });
    expect(warnings.mock.calls.join()).toContain("a rate limit could not be asked");
  });

  it("refuses what is too much, and leaves nothing behind", async () => {
    const domain = newDomain();
    const { outcome, asked } = await create(domain, async () => ({ success: false }));
    expect(outcome).toMatchObject({ granted: false, refusal: { error: "RATE_LIMITED" } });
    expect(asked).toEqual([{ key: "203.0.113.7" }]);
    expect(await rows(domain)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it("is asked only when a domain is created", async () => {
    const domain = newDomain();
    const { asked } = await create(domain, async () => ({ success: true }));
    expect(asked).toHaveLength(1);
    const context = { issuer: ORIGIN, addresses: ["203.0.113.7"] };
    await objectOf(domain).execute(joins(newGuid()), context);
    expect(asked).toHaveLength(1);
    expect((await execute(domain, joins(newGuid()))).granted).toBe(true);
  });
});

describe("the creation of domains", () => {
  it("is open to anybody by default", async () => {
    expect((await registerWith({}, newDomain())).status).toBe(201);
  });

  it("may need a token of a trusted issuer, to whose namespace the domain belongs from then on", async () => {
    const [vars, domain] = [{ DOMAIN_CREATION: "authenticated" }, newDomain()];
    const refused = await registerWith(vars, domain);
    expect(refused).toMatchObject({ status: 401, body: { error: "DOM_AUTHENTICATION_REQUIRED", code: 503 } });
    expect((await rows(domain)).info).toBeUndefined();
    const by = async (namespace: "studio" | "arcade") => {
      const token = await mintToken(namespace, env.TEST_ISSUER_KEYS[namespace]);
      return (await registerWith(vars, domain, { authorization: `Bearer ${token}` })).status;
    };
    expect(await by("studio")).toBe(201);
    const { info, log } = await rows(domain);
    expect(info).toMatchObject({ authentication_required: 1, auth_namespace: "studio", owner_subject: null });
    expect(JSON.parse(String(log[0]?.changes))[1]).toMatchObject({ type: "settings-changed", by: "token" });
    expect([await by("arcade"), (await registerWith(vars, domain)).status, await by("studio")]).toEqual([
      401, 401, 201,
    ]);
    // One that an operator made for everybody stays so.
    const open = newDomain();
    await askWith(vars, "PUT", `/admin/domains/${open}`, {}, asAdmin);
    expect((await registerWith(vars, open)).status).toBe(201);
  });

  it("gives domains that devices make the settings of DOMAIN_DEFAULTS, and no others", async () => {
    const vars = { DOMAIN_DEFAULTS: JSON.stringify({ maxMembership: 1, memberIdleDays: 180 }) };
    const [made, kept] = [newDomain(), newDomain()];
    expect((await registerWith(vars, made)).status).toBe(201);
    expect((await registerWith(vars, made)).status).toBe(409);
    const { info, log } = await rows(made);
    expect(info).toMatchObject({ max_membership: 1, member_idle_days: 180, authentication_required: 0 });
    expect(JSON.parse(String(log[0]?.changes))[1]).toMatchObject({ type: "settings-changed", by: "DOMAIN_DEFAULTS" });
    await askWith(vars, "PUT", `/admin/domains/${kept}`, {}, asAdmin);
    await registerWith(vars, kept);
    expect((await rows(kept)).info).toMatchObject({ max_membership: null, member_idle_days: null });
  });

  it("asks for a token from the first device on, where the defaults say so", async () => {
    const vars = { DOMAIN_DEFAULTS: JSON.stringify({ authenticationRequired: true }) };
    const domain = newDomain();
    expect((await registerWith(vars, domain)).status).toBe(401);
    expect((await rows(domain)).info).toBeUndefined();
  });

  it("may be the operators' alone", async () => {
    const [vars, domain] = [{ DOMAIN_CREATION: "operators" }, newDomain()];
    expect(await registerWith(vars, domain)).toMatchObject({ status: 404, body: { error: "DOMAIN_NOT_FOUND" } });
    expect((await rows(domain)).info).toBeUndefined();
    expect((await askWith(vars, "PUT", `/admin/domains/${domain}`, {}, asAdmin)).status).toBe(201);
    expect((await registerWith(vars, domain)).status).toBe(201);
  });
});

describe("the creation of domains by one client", () => {
  /** Joins on behalf of a client, in a domain whose creations are counted. */
  const joinBy = async (domain: string, creator: string | null) =>
    gist(
      (await objectOf(domain).execute(joins(newGuid()), { issuer: ORIGIN, addresses: [creator] })) as Outcome<object>,
    );
  const IN = expect.objectContaining({ newMember: true });

  it("is counted when it happens, once for each, and joining what exists is not", async () => {
    const { counts, limit } = limitOf(1);
    // It is asked over the network.
    const CREATION_LIMIT = { limit: (by: { key: string }) => scheduler.wait(5).then(() => limit(by)) };
    const [one, other, crowd] = [newDomain(), newDomain(), 20];
    // All learn at the same moment that there is no such domain: the database is asked once for all of them.
    let asked = 0;
    const DB = faultyDatabase(env.DB, (_, run) => {
      asked++;
      return run();
    });
    await setEnvironment(one, { CREATION_LIMIT, DB });
    await setEnvironment(other, { CREATION_LIMIT });
    const first = await Promise.all(Array.from({ length: crowd }, () => joinBy(one, "192.0.2.1")));
    expect(first).toEqual(first.map(() => IN));
    expect([...counts]).toEqual([["192.0.2.1", 1]]);
    expect(asked).toBe(1);

    expect(await joinBy(other, "192.0.2.1")).toBe("RATE_LIMITED");
    expect((await rows(other)).info).toBeUndefined();
    expect(await joinBy(other, null)).toEqual(IN);
    expect(await joinBy(other, "192.0.2.1")).toEqual(IN);
    expect([...counts]).toEqual([["192.0.2.1", 2]]);
  });

  it("is counted for an IPv6 /48 as a whole, too", async () => {
    const [CREATION_LIMIT, NETWORK_CREATION_LIMIT] = [limitOf(3), limitOf(5)];
    const outcomes = [];
    for (let subnet = 0; subnet < 8; subnet++) {
      const domain = newDomain();
      await setEnvironment(domain, { CREATION_LIMIT, NETWORK_CREATION_LIMIT });
      const context = { issuer: ORIGIN, addresses: [`2001:db8:7:${subnet}`, "2001:db8:7::/48"] };
      outcomes.push(gist((await objectOf(domain).execute(joins(newGuid()), context)) as Outcome<object>));
    }
    expect(outcomes).toEqual([...Array(5).fill(IN), ...Array(3).fill("RATE_LIMITED")]);
  });

  it("is let through while its limit cannot be asked", async () => {
    const domain = newDomain();
    await setEnvironment(domain, { CREATION_LIMIT: { limit: () => Promise.reject(new Error("away")) } });
    expect(await joinBy(domain, "192.0.2.1")).toEqual(IN);
  });
});
