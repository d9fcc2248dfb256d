import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/domain/types.ts";
import { createApp } from "../../src/server/app.ts";
import { mintToken } from "../support/issuers.ts";
import { asAdmin, newDomain, newGuid, ORIGIN, reply, rows } from "./client.ts";
import { faultyDatabase } from "./faulty-database.ts";
import { gist, joins, objectOf, setEnvironment } from "./objects.ts";

/** Asks an application in an environment of its own; its Durable Objects are those of all. */
async function askWith(
  vars: object,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) {
  const request = new Request(`${ORIGIN}${path}`, {
    method,
    headers: { ...(body ? { "content-type": "application/json" } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const response = await createApp().fetch(request, { ...env, ...vars } as Env);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}

/** A rate limit that lets each key through so many times. */
function limitOf(times: number) {
  const counts = new Map<string, number>();
  return {
    counts,
    limit: async ({ key }: { key: string }) => {
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return { success: (counts.get(key) as number) <= times };
    },
  };
}

const from = (address: string) => ({ "cf-connecting-ip": address });
const register = (vars: object, domain: string, headers = {}) =>
  askWith(vars, "POST", `/domains/${domain}/register`, { machineGuid: newGuid() }, headers);

describe("limits of requests", () => {
  it("are counted by address, and say when to come again", async () => {
    const [ADDRESS_LIMIT, domain] = [limitOf(2), newDomain()];
    for (const status of [201, 201, 429]) {
      expect((await register({ ADDRESS_LIMIT }, domain, from("192.0.2.1"))).status).toBe(status);
    }
    expect((await register({ ADDRESS_LIMIT }, domain, from("192.0.2.2"))).status).toBe(201);
    const refused = await register({ ADDRESS_LIMIT }, domain, from("192.0.2.1"));
    expect(refused.body).toMatchObject({ status: 429, error: "RATE_LIMITED" });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await rows(domain)).members).toHaveLength(3);
  });

  it("are counted by domain: reads by themselves", async () => {
    const [DOMAIN_LIMIT, one, other] = [limitOf(1), newDomain(), newDomain()];
    for (const domain of [one, other]) await reply("POST", `/domains/${domain}/register`, { machineGuid: newGuid() });
    expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${one}/keys`)).status).toBe(200);
    for (const path of ["", "/keys", "/keys/1/history"]) {
      expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${one}${path}`)).status).toBe(429);
    }
    expect((await askWith({ DOMAIN_LIMIT }, "POST", `/domains/${one}/rollover`)).status).toBe(429);
    expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${other}/keys`)).status).toBe(200);
  });

  it("are counted by domain: joins by themselves, which keep no member from renewing or leaving", async () => {
    const [DOMAIN_LIMIT, domain, member] = [limitOf(2), newDomain(), newGuid()];
    await setEnvironment(domain, { DOMAIN_LIMIT });
    const ask = (action: string, machineGuid: string) =>
      askWith({}, "POST", `/domains/${domain}/${action}`, { machineGuid });
    expect((await ask("register", member)).status).toBe(201);
    // The limit is told of joins as they happen, and is heard from the next one on.
    for (let count = 0; count < 2; count++) expect((await ask("register", newGuid())).status).toBe(201);
    const refused = await ask("register", newGuid());
    expect(refused).toMatchObject({ status: 429, body: { error: "RATE_LIMITED" } });
    for (let count = 0; count < 5; count++) expect((await ask("register", member)).status).toBe(200);
    expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${domain}/keys`)).status).toBe(200);
    expect((await ask("deregister", member)).status).toBe(200);
    expect((await rows(domain)).members).toHaveLength(2);
  });

  it("of an address cost the domain nothing once they are spent", async () => {
    const [ADDRESS_LIMIT, DOMAIN_LIMIT, domain] = [limitOf(10), limitOf(30), newDomain()];
    await reply("POST", `/domains/${domain}/register`, { machineGuid: newGuid() });
    const read = (address: string) =>
      askWith({ ADDRESS_LIMIT, DOMAIN_LIMIT }, "GET", `/domains/${domain}/keys`, undefined, from(address));
    const statuses = [];
    for (let count = 0; count < 300; count++) statuses.push((await read("192.0.2.1")).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect((await read("192.0.2.2")).status).toBe(200);
    expect([...DOMAIN_LIMIT.counts.values()]).toEqual([11]);
  });

  it("count leaves of those who are no members", async () => {
    const [ADDRESS_LIMIT, domain, member] = [limitOf(3), newDomain(), newGuid()];
    await reply("POST", `/domains/${domain}/register`, { machineGuid: member });
    const leave = (name: string, machineGuid: string) =>
      askWith({ ADDRESS_LIMIT }, "POST", `/domains/${name}/deregister`, { machineGuid }, from("192.0.2.1"));
    const names = Array.from({ length: 6 }, newDomain);
    const statuses = [];
    for (const name of names) statuses.push((await leave(name, newGuid())).status);
    expect(statuses).toEqual([403, 403, 403, 429, 429, 429]);
    expect((await leave(domain, newGuid())).status).toBe(429);
    expect((await leave(domain, member)).status).toBe(200);
    for (const name of names) expect(await rows(name)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it("are counted for an IPv6 /48 as a whole, too", async () => {
    const [ADDRESS_LIMIT, NETWORK_LIMIT, domain] = [limitOf(3), limitOf(8), newDomain()];
    const statuses = [];
    for (let subnet = 0; subnet < 12; subnet++) {
      const address = from(`2001:db8:7:${subnet.toString(16)}::1`);
      statuses.push((await register({ ADDRESS_LIMIT, NETWORK_LIMIT }, domain, address)).status);
    }
    expect(statuses).toEqual([...Array(8).fill(201), ...Array(4).fill(429)]);
    expect((await register({ ADDRESS_LIMIT, NETWORK_LIMIT }, domain, from("2001:db8:8::1"))).status).toBe(201);
    expect((await register({ ADDRESS_LIMIT, NETWORK_LIMIT }, domain, from("192.0.2.1"))).status).toBe(201);
    expect([...NETWORK_LIMIT.counts.keys()]).toEqual(["2001:db8:7::/48", "2001:db8:8::/48"]);
  });

  it("never keep a member from leaving", async () => {
    const none = limitOf(0);
    const [domain, machineGuid] = [newDomain(), newGuid()];
    await reply("POST", `/domains/${domain}/register`, { machineGuid });
    const vars = { ADDRESS_LIMIT: none, DOMAIN_LIMIT: none, CREATION_LIMIT: none, DOMAIN_CREATION: "operators" };
    const left = await askWith(vars, "POST", `/domains/${domain}/deregister`, { machineGuid }, from("192.0.2.1"));
    expect(left).toMatchObject({ status: 200, body: { deregistered: true } });
  });

  it.each([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::1", true],
    ["2001:db8::1", "2001:db8:0:0:9::", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["192.0.2.1", "192.0.2.11", false],
  ])("take %s and %s for one client: %s", async (one, other, same) => {
    const [ADDRESS_LIMIT, domain] = [limitOf(9), newDomain()];
    for (const address of [one, other]) await register({ ADDRESS_LIMIT }, domain, from(address));
    expect(ADDRESS_LIMIT.counts.size).toBe(same ? 1 : 2);
  });

  it.each([{}, from("127.0.0.1"), from("::1")])("leave this machine alone: %j", async (headers) => {
    expect((await register({ ADDRESS_LIMIT: limitOf(0) }, newDomain(), headers)).status).toBe(201);
  });

  it("let all through while they cannot be asked", async () => {
    const broken = { limit: () => Promise.reject(new Error("away")) };
    expect((await register({ ADDRESS_LIMIT: broken }, newDomain(), from("192.0.2.1"))).status).toBe(201);
  });
});

describe("the creation of domains", () => {
  it("is open to anybody by default", async () => {
    expect((await register({}, newDomain())).status).toBe(201);
  });

  it("may need a token of a trusted issuer, joining what exists does not", async () => {
    const [vars, domain] = [{ DOMAIN_CREATION: "authenticated" }, newDomain()];
    const refused = await register(vars, domain);
    expect(refused).toMatchObject({ status: 401, body: { error: "DOM_AUTHENTICATION_REQUIRED", code: 503 } });
    expect((await rows(domain)).info).toBeUndefined();
    const token = await mintToken("studio", env.TEST_ISSUER_KEYS.studio);
    expect((await register(vars, domain, { authorization: `Bearer ${token}` })).status).toBe(201);
    expect((await register(vars, domain)).status).toBe(201);
  });

  it("may be the operators' alone", async () => {
    const [vars, domain] = [{ DOMAIN_CREATION: "operators" }, newDomain()];
    expect(await register(vars, domain)).toMatchObject({ status: 404, body: { error: "DOMAIN_NOT_FOUND" } });
    expect((await rows(domain)).info).toBeUndefined();
    expect((await askWith(vars, "PUT", `/admin/domains/${domain}`, {}, asAdmin)).status).toBe(201);
    expect((await register(vars, domain)).status).toBe(201);
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

describe("answers", () => {
  it.each([
    ["GET", "/health"],
    ["GET", "/domains/nowhere"],
    ["GET", "/nothing"],
    ["GET", "/admin/domains"],
    ["PUT", "/health"],
  ])("to %s %s tell browsers to make no more of them than they are", async (method, path) => {
    const { headers } = await reply(method, path);
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cache-control")).toMatch(/no-store|no-cache/);
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  const CORS = { CORS_ORIGINS: '["https://player.example"]' };

  it("are for pages of the configured origins as well, problems among them", async () => {
    const domain = newDomain();
    const origin = { origin: "https://player.example" };
    const preflight = await askWith(CORS, "OPTIONS", `/domains/${domain}/register`, undefined, {
      ...origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,idempotency-key",
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("https://player.example");
    expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("idempotency-key");
    const missing = await askWith(CORS, "GET", `/domains/${domain}`, undefined, origin);
    expect(missing.status).toBe(404);
    for (const { headers } of [missing, await register(CORS, domain, origin)]) {
      expect(headers.get("access-control-allow-origin")).toBe("https://player.example");
      expect(headers.get("access-control-expose-headers")).toContain("date");
      expect(headers.get("access-control-allow-credentials")).toBeNull();
      expect(headers.get("vary")?.toLowerCase()).toContain("origin");
    }
  });

  it("that are cached for one page are not served to another: they vary by origin", async () => {
    const domain = newDomain();
    await register(CORS, domain, {});
    const path = `/domains/${domain}/keys/1/history`;
    for (const origin of [{}, { origin: "https://elsewhere.example" }, { origin: "https://player.example" }]) {
      const { status, headers } = await askWith(CORS, "GET", path, undefined, origin);
      expect({ status, cached: headers.get("cache-control")?.startsWith("public") }).toEqual({
        status: 200,
        cached: true,
      });
      expect(headers.get("vary")?.toLowerCase()).toBe("origin");
    }
    const { headers } = await askWith({}, "GET", path);
    expect(headers.get("vary")).toBeNull();
  });

  it.each(["https://elsewhere.example", "https://player.example.evil.example", "null"])(
    "are not for pages of %s",
    async (origin) => {
      const answer = await register(CORS, newDomain(), { origin });
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  it("about the administration are for no other origin", async () => {
    const headers = { ...asAdmin, origin: "https://player.example" };
    const answer = await askWith(CORS, "GET", "/admin/domains", undefined, headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });
});
