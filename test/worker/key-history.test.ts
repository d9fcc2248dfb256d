import { decodeProtectedHeader, type JWK } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Keyring } from "../../src/server/object/keyring.ts";
import { ask, newDomain, register, rows, stored } from "../support/worker/client.ts";
import { domainAt, history, range, tokenClaims, unsealed, versionsOf } from "../support/worker/key-versions.ts";
import { evict, execute, operators } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

const NEWEST = 230;
const DAY = 24 * 60 * 60 * 1000;

let domain: string;
/** The private key of each version, as registrations hand them out. */
const privateKeys = new Map<number, JWK>();

beforeAll(async () => {
  const made = await domainAt(NEWEST);
  domain = made.domain;
  const { body } = await register(domain, made.member);
  for (const { keyVersion, privateKey } of body.credentials) privateKeys.set(keyVersion, privateKey);
}, 60_000);

afterEach(() => vi.restoreAllMocks());

const keyOf = (keyVersion: number) => privateKeys.get(keyVersion) as JWK;

async function retireTo(upTo: number): Promise<void> {
  expect(await execute(domain, operators({ type: "retire", upTo }))).toMatchObject({ granted: true });
}

describe("a page of the key history", () => {
  it.each([
    [NEWEST, undefined, 130, 229, 129],
    [NEWEST, NEWEST, 130, 229, 129],
    [NEWEST, 229, 129, 228, 128],
    [NEWEST, 130, 30, 129, 29],
    [NEWEST, 102, 2, 101, 1],
    [NEWEST, 101, 1, 100, null],
    [NEWEST, 30, 1, 29, null],
    [NEWEST, 2, 1, 1, null],
    [140, undefined, 40, 139, 39],
    [140, 3, 1, 2, null],
    [131, 131, 31, 130, 30],
  ])("sealed to version %i, before %s, has versions %i to %i in rising order", async (...given) => {
    const [keyVersion, before, first, last, older] = given;
    const answer = await history(domain, keyVersion, before === undefined ? "" : `?before=${before}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ domain, keyVersion });
    expect(versionsOf(answer)).toEqual(range(first, last));
    expect(answer.body.olderKeyVersions).toEqual(older === null ? undefined : { from: 1, to: older });
    const keys = await unsealed(answer.body.sealedKeys, keyOf(keyVersion));
    expect(keys.map(({ key_version }) => key_version)).toEqual(range(first, last));
  });

  it("is empty before the first version", async () => {
    const { status, body } = await history(domain, NEWEST, "?before=1");
    expect([status, body.credentials, body.olderKeyVersions]).toEqual([200, [], undefined]);
    expect(await unsealed(body.sealedKeys, keyOf(NEWEST))).toEqual([]);
  });

  it("leads to every version by following olderKeyVersions", async () => {
    const found: number[] = [];
    let before: number | undefined = NEWEST;
    for (let pages = 0; before !== undefined; pages++) {
      expect(pages).toBeLessThan(3);
      const answer = await history(domain, NEWEST, `?before=${before}`);
      found.unshift(...versionsOf(answer));
      before = answer.body.olderKeyVersions && answer.body.olderKeyVersions.to + 1;
    }
    expect(found).toEqual(range(1, NEWEST - 1));
  });

  it("has a domain token for each private key, which states its public half", async () => {
    const { body } = await history(domain, NEWEST, "?before=134");
    const keys = await unsealed(body.sealedKeys, keyOf(NEWEST));
    expect(body.credentials).toHaveLength(100);
    for (const [index, { keyVersion, token, expiresAt }] of body.credentials.entries()) {
      const { d, kty, crv, x, y } = keys[index] as JWK;
      expect(d).toMatch(/^[\w-]{43}$/);
      const claims = await tokenClaims(token);
      expect(claims).toMatchObject({ sub: domain, key_version: keyVersion, cnf: { jwk: { kty, crv, x, y } } });
      expect(expiresAt).toBe(new Date((claims.exp as number) * 1000).toISOString());
      const handedOut = privateKeys.get(keyVersion);
      if (handedOut) expect(keys[index]).toEqual(handedOut);
    }
    // Versions 131 to 133 were handed out in a registration.
    expect(keys.filter(({ key_version }) => privateKeys.has(key_version))).toHaveLength(3);
  });

  it("opens with the key of its version alone, whose kid is in the header", async () => {
    const { body } = await history(domain, 180);
    const header = decodeProtectedHeader(body.sealedKeys);
    expect(header).toMatchObject({ alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json", kid: keyOf(180).kid });
    for (const other of [179, 181, NEWEST]) await expect(unsealed(body.sealedKeys, keyOf(other))).rejects.toThrow();
    for (const key of await unsealed(body.sealedKeys, keyOf(180))) {
      expect(JSON.stringify(body)).not.toContain(key.d);
    }
  });

  it("asks for no membership, may be cached, and is not sent again to who has it", async () => {
    const path = `/domains/${domain}/keys/${NEWEST}/history`;
    const { headers } = await history(domain, NEWEST);
    const etag = headers.get("etag") as string;
    expect(headers.get("cache-control")).toBe("public, max-age=3600");
    expect(headers.get("content-type")).toMatch(/^application\/json/);
    expect(etag).toMatch(/^W\/"[^"]+"$/);
    for (const condition of [etag, etag.replace("W/", ""), `"other", ${etag}`]) {
      const again = await ask("GET", path, undefined, { "if-none-match": condition });
      expect([again.status, await again.text()]).toEqual([304, ""]);
      expect(again.headers.get("etag")).toBe(etag);
      expect(again.headers.get("cache-control")).toBe("public, max-age=3600");
    }
    expect((await history(domain, NEWEST, "", { "if-none-match": 'W/"other"' })).status).toBe(200);
    const others = [await history(domain, NEWEST, "?before=9"), await history(domain, 229)];
    expect(new Set([etag, ...others.map((other) => other.headers.get("etag"))]).size).toBe(3);
  });

  it("is made anew within a day, with tokens that expire later", async () => {
    const first = await history(domain, 150, "?before=3");
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + DAY);
    const next = await history(domain, 150, "?before=3", { "if-none-match": first.headers.get("etag") as string });
    expect(next.status).toBe(200);
    const [before, after] = [first, next].map(({ body }) => Date.parse(body.credentials[0].expiresAt)) as [
      number,
      number,
    ];
    expect(after - before).toBeGreaterThanOrEqual(DAY - 1000);
  });
});

describe("keys that are retired", () => {
  afterEach(() => retireTo(0));

  it("are on no page from that moment on, and on a page again once they are brought back", async () => {
    const all = await history(domain, NEWEST, "?before=101");
    const etag = all.headers.get("etag") as string;
    await retireTo(40);
    const fewer = await history(domain, NEWEST, "?before=101", { "if-none-match": etag });
    expect(fewer.status).toBe(200);
    expect(versionsOf(fewer)).toEqual(range(41, 100));
    expect(fewer.body.olderKeyVersions).toBeUndefined();
    const keys = await unsealed(fewer.body.sealedKeys, keyOf(NEWEST));
    expect(keys.map(({ key_version }) => key_version)).toEqual(range(41, 100));
    await retireTo(0);
    expect(versionsOf(await history(domain, NEWEST, "?before=101"))).toEqual(range(1, 100));
  });

  it.each([
    [NEWEST, NEWEST, 100, 130, 229, { from: 101, to: 129 }],
    [NEWEST, NEWEST, 129, 130, 229, undefined],
    [NEWEST, 131, 129, 130, 130, undefined],
    [NEWEST, 130, 129, 1, 0, undefined],
    [NEWEST, 20, 129, 1, 0, undefined],
    // The key that it is sealed to may be retired itself: nothing below it is handed out.
    [150, 150, 160, 1, 0, undefined],
  ])("leave to version %i before %i, up to %i retired, versions %i to %i", async (...given) => {
    const [keyVersion, before, retired, first, last, older] = given;
    await retireTo(retired);
    const answer = await history(domain, keyVersion, `?before=${before}`);
    expect(versionsOf(answer)).toEqual(range(first, last));
    expect(answer.body.olderKeyVersions).toEqual(older);
    expect(await unsealed(answer.body.sealedKeys, keyOf(keyVersion))).toHaveLength(Math.max(0, last - first + 1));
  });
});

describe("a key history that cannot be had", () => {
  it.each(["0", "-1", "1.5", "x", "1e2", "%20", "99999999999999999999", "0x10"])(
    "of version %s is a 400",
    async (text) => {
      const { status, body } = await history(domain, text);
      expect([status, body.error]).toEqual([400, "INVALID_REQUEST"]);
      expect(body.errors.map(({ field }: { field: string }) => field)).toEqual(["keyVersion"]);
    },
  );

  it.each([
    ["before=0", "before"],
    ["before=-1", "before"],
    ["before=1.5", "before"],
    ["before=", "before"],
    ["before=x", "before"],
    ["before=151", "before"],
    ["before=2&before=3", "before"],
    ["after=2", "after"],
    ["keyVersion=2", "keyVersion"],
  ])("with %s is a 400 that names %s", async (query, field) => {
    const { status, body } = await history(domain, 150, `?${query}`);
    expect([status, body.error]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
  });

  it("of a version that is not there yet is a 404, which nothing may keep", async () => {
    for (const keyVersion of [NEWEST + 1, 999_999_999]) {
      const { status, body, headers } = await history(domain, keyVersion);
      expect([status, body.error, headers.get("cache-control")]).toEqual([404, "NOT_FOUND", "no-store"]);
    }
  });

  it("of an unknown domain is a 404, and creates none", async () => {
    const unknown = newDomain();
    const { status, body } = await history(unknown, 1);
    expect([status, body.error]).toEqual([404, "DOMAIN_NOT_FOUND"]);
    expect(await rows(unknown)).toEqual({ info: undefined, members: [], keys: [], log: [] });
    expect((await operate("GET", `/${unknown}`)).status).toBe(404);
  });
});

describe("a page that was made", () => {
  it("is kept for a while, and leaves no key open that a registration does not need", async () => {
    await evict(domain);
    const opened = vi.spyOn(Keyring.prototype, "open");
    const unwrapped = vi.spyOn(Keyring.prototype, "unwrap");
    const first = await history(domain, NEWEST, "?before=101");
    expect(unwrapped).toHaveBeenCalledTimes(100);
    expect((await history(domain, NEWEST, "?before=101")).body).toEqual(first.body);
    expect(unwrapped).toHaveBeenCalledTimes(100);
    expect(opened).not.toHaveBeenCalled();
  });

  it("is none if one of its keys does not open: a 500 that nothing may keep, until the key is mended", async () => {
    const [{ text }] = (await stored(
      domain,
      "select wrapped_private_jwk as text from domain_keys where key_version = 5",
    )) as [{ text: string }];
    const put = (value: string) =>
      stored(domain, "update domain_keys set wrapped_private_jwk = ? where key_version = 5", value);
    await put("garbage");
    await evict(domain);
    vi.spyOn(console, "error").mockImplementation(() => {});
    const failed = await history(domain, NEWEST, "?before=101");
    expect([failed.status, failed.headers.get("cache-control")]).toEqual([500, "no-store"]);
    expect(JSON.stringify(failed.body)).not.toMatch(/wrap|JWE|key 5/i);
    expect(versionsOf(await history(domain, NEWEST, "?before=5"))).toEqual(range(1, 4));
    await put(text);
    expect(versionsOf(await history(domain, NEWEST, "?before=101"))).toEqual(range(1, 100));
  });
});
