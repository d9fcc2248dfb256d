import { env } from "cloudflare:workers";
import { calculateJwkThumbprint, decodeProtectedHeader, type JWTPayload } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ask, configure, deregister, newDomain, newGuid, ORIGIN, register, rows } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { claimsOf, domainAt, keySet, range } from "../support/worker/key-versions.ts";
import { evict } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

const TYPE = "domain-key-statement+jwt";
const MINUTE = 60_000;

afterEach(() => vi.restoreAllMocks());

/** The claims of a domain's present statement. */
async function stated(domain: string, query = ""): Promise<JWTPayload> {
  const { status, body } = await keySet(domain, query);
  expect(status).toBe(200);
  const claims = await claimsOf(body.statement, TYPE);
  expect(claims.key_version).toBe(body.currentKeyVersion);
  return claims;
}

async function etagOf(domain: string): Promise<string> {
  return (await keySet(domain)).headers.get("etag") as string;
}

describe("the statement of a key set", () => {
  it("names the current key, for five minutes, in the name of the domain authority", async () => {
    const { domain } = await domainAt(3);
    const { body } = await keySet(domain);
    const claims = await claimsOf(body.statement, TYPE);
    const { info } = await rows(domain);
    expect(decodeProtectedHeader(body.statement)).toEqual({
      alg: "ES256",
      typ: TYPE,
      kid: JSON.parse(env.DOMAIN_AUTHORITY_KEYS).keys[0].kid,
    });
    const current = body.keys.at(-1);
    expect(current.kid).toBe(await calculateJwkThumbprint(current));
    expect(claims).toEqual({
      iss: ORIGIN,
      sub: domain,
      iat: expect.any(Number),
      exp: (claims.iat as number) + 300,
      revision: info?.revision,
      epoch: info?.epoch,
      key_version: 3,
      cnf: { jwk: current },
    });
    expect(Math.abs((claims.iat as number) * 1000 - Date.now())).toBeLessThan(MINUTE);
  });

  it("names none before the first key, and while a rollover is due", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const claims = await stated(domain);
    expect(claims).toMatchObject({ sub: domain, key_version: null, revision: 1 });
    expect(claims).not.toHaveProperty("cnf");
    const guid = newGuid();
    await register(domain, guid);
    expect(await stated(domain)).toMatchObject({ key_version: 1, revision: 2 });
    await deregister(domain, guid);
    const due = await stated(domain);
    expect(due).toMatchObject({ key_version: null, revision: 3 });
    expect(due).not.toHaveProperty("cnf");
    await register(domain, guid);
    expect(await stated(domain)).toMatchObject({ key_version: 2, revision: 4 });
  });

  it("changes at once with each change of the current key, and its revision only rises", async () => {
    const { domain, member } = await domainAt(1);
    const changes = [
      () => deregister(domain, member),
      () => register(domain, member),
      () => operate("DELETE", `/${domain}/members/${member}`),
      () => operate("POST", `/${domain}/rollover`, { when: "now" }),
      () => operate("POST", `/${domain}/rollover`, { when: "next-registration" }),
      () => register(domain, newGuid()),
    ];
    const seen = [await stated(domain)];
    const etags = [await etagOf(domain)];
    for (const change of changes) {
      expect((await change()).status).toBeLessThan(300);
      seen.push(await stated(domain));
      etags.push(await etagOf(domain));
    }
    expect(seen.map(({ key_version }) => key_version)).toEqual([1, null, 2, null, 3, null, 4]);
    expect(new Set(etags).size).toBe(etags.length);
    const revisions = seen.map(({ revision }) => revision as number);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    expect(new Set(revisions).size).toBe(revisions.length);
    expect(new Set(seen.map(({ epoch }) => epoch)).size).toBe(1);
  });

  it("stays, and the ETag with it, while devices only join, renew and ask", async () => {
    const { domain, member } = await domainAt(2);
    // Within a minute, whatever this machine takes for the requests.
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now);
    const [{ statement }, etag] = [(await keySet(domain)).body, await etagOf(domain)];
    for (let times = 0; times < 5; times++) await register(domain, newGuid());
    await register(domain, member);
    await deregister(domain, member, { preview: true });
    await configure(domain, { maxMembership: 9 });
    expect((await keySet(domain)).body.statement).toBe(statement);
    const again = await ask("GET", `/domains/${domain}/keys`, undefined, { "if-none-match": etag });
    expect(again.status).toBe(304);
  });

  it("is signed afresh after a minute, also if the clock was set back", async () => {
    const { domain } = await domainAt(1);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(now);
    const at = async (time: number) => {
      clock.mockReturnValue(time);
      const { statement } = (await keySet(domain)).body;
      return JSON.parse(atob(statement.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).iat as number;
    };
    const first = await at(now);
    expect(first).toBe(Math.floor(now / 1000));
    expect(await at(now + MINUTE - 1)).toBe(first);
    expect(await at(now + MINUTE)).toBe(first + 60);
    expect(await at(now - 60 * MINUTE)).toBe(first - 3600);
  });

  it("is the same whichever keys are asked for", async () => {
    const { domain } = await domainAt(3);
    const kid = (await keySet(domain)).body.keys[0].kid;
    for (const query of ["", "?before=2", "?before=1", "?version=1", `?kid=${kid}`]) {
      expect(await stated(domain, query)).toMatchObject({ sub: domain, key_version: 3 });
    }
  });

  it("is of the same epoch for an object that begins anew, and of a later one for an object that takes over", async () => {
    const { domain } = await domainAt(2);
    const before = await stated(domain);
    await evict(domain);
    expect(await stated(domain)).toMatchObject({ epoch: before.epoch, revision: before.revision });
    await expectCopied(domain);
    const renamed = newDomain();
    for (const table of ["domain_server_info", "domain_membership"]) {
      await env.DB.prepare(`update ${table} set domain = ? where domain = ?`).bind(renamed, domain).run();
    }
    const after = await stated(renamed);
    expect(after.epoch).toBeGreaterThan(before.epoch as number);
    expect(after.key_version).toBeNull();
  });
});

describe("one key of a domain", () => {
  it("is had by its version and by its kid, from the first to the newest", async () => {
    const { domain } = await domainAt(3);
    const { keys } = (await keySet(domain)).body;
    for (const version of range(1, 3)) {
      const key = keys[version - 1];
      for (const query of [`?version=${version}`, `?kid=${key.kid}`]) {
        const { body } = await keySet(domain, query);
        expect(Object.keys(body).sort()).toEqual(["currentKeyVersion", "keys", "statement"]);
        expect(body).toMatchObject({ keys: [key], currentKeyVersion: 3 });
      }
    }
  });

  it("that the domain does not have is a 404, and one of another domain is none of its own", async () => {
    const [{ domain }, other] = [await domainAt(1), await domainAt(1)];
    const { kid } = (await keySet(other.domain)).body.keys[0];
    for (const query of ["?version=2", "?version=999999999", `?kid=${kid}`, "?kid=x", `?kid=${"x".repeat(128)}`]) {
      const { status, body, headers } = await keySet(domain, query);
      expect([status, body.error, headers.get("cache-control")]).toEqual([404, "NOT_FOUND", "no-store"]);
    }
  });

  it("of an unknown domain is a 404, and creates none", async () => {
    const unknown = newDomain();
    for (const query of ["?version=1", "?kid=x", "?before=2"]) {
      expect(await keySet(unknown, query)).toMatchObject({ status: 404, body: { error: "DOMAIN_NOT_FOUND" } });
    }
    expect((await rows(unknown)).log).toEqual([]);
  });

  it.each([
    ["version=0", ["version"]],
    ["version=-1", ["version"]],
    ["version=1.5", ["version"]],
    ["version=", ["version"]],
    ["version=one", ["version"]],
    ["version=1&version=1", ["version"]],
    ["before=0", ["before"]],
    ["before=1e3", ["before"]],
    ["kid=", ["kid"]],
    [`kid=${"x".repeat(129)}`, ["kid"]],
    ["version=1&before=2", ["before", "version"]],
    ["version=1&kid=x", ["kid", "version"]],
    ["before=2&kid=x", ["before", "kid"]],
    ["version=1&before=2&kid=x", ["before", "kid", "version"]],
    ["versions=1", ["versions"]],
  ])("asked for with %s is a 400 that names the fields", async (query, fields) => {
    const { domain } = await domainAt(1);
    const { status, body } = await keySet(domain, `?${query}`);
    expect([status, body.error]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.errors.map(({ field }: { field: string }) => field).sort()).toEqual(fields);
  });
});
