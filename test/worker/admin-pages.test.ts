import { env } from "cloudflare:workers";
import fc from "fast-check";
import { base64url, calculateJwkThumbprint, compactDecrypt, decodeProtectedHeader, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { configure, newDomain, newGuid, register, reply, stored } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { DEFAULTS } from "../support/worker/default-settings.ts";
import { COLLECTIONS, type Collection } from "../support/worker/list-collections.ts";
import { operate, paged } from "../support/worker/operators.ts";

const EACH = Object.entries(COLLECTIONS);
const ROWS = 24;

/** A domain without a row in any list. */
async function emptyDomain(): Promise<string> {
  const domain = newDomain();
  await configure(domain, {});
  await stored(domain, "delete from domain_log");
  return domain;
}

/** A domain with the rows 1 to 7 in every list. */
let seven: string;
beforeAll(async () => {
  seven = await emptyDomain();
  for (const { add } of Object.values(COLLECTIONS).slice(0, -1)) {
    for (let number = 1; number <= 7; number++) await add(seven, number);
  }
});

const joint = (path: string) => (path.includes("?") ? "&" : "?");
const ask = (path: string, query: string) => operate("GET", `${path}${joint(path)}${query}`);
const inOrder = ({ descending }: Collection, numbers: number[]) =>
  numbers.toSorted((a, b) => (descending ? b - a : a - b));

describe.each(EACH)("the list of %s", (_, collection) => {
  const { path, name, numberOf, add, remove } = collection;

  it.each([1, 2, 3, 6, 7, 8, 200])("by pages of %i, has every row once and in order", async (limit) => {
    const numbers = [];
    let cursor = "";
    for (let page = 0; page < Math.ceil(7 / limit); page++) {
      const { status, body } = await ask(path(seven), `limit=${limit}${cursor}`);
      expect(status).toBe(200);
      expect(Object.keys(body).sort()).toEqual([name, "nextCursor"].sort());
      expect(body[name].length).toBe(Math.min(limit, 7 - page * limit));
      numbers.push(...body[name].map(numberOf));
      cursor = `&cursor=${body.nextCursor}`;
    }
    // The page that takes the last row knows that it is the last.
    expect(cursor).toBe("&cursor=null");
    expect(numbers).toEqual(inOrder(collection, [1, 2, 3, 4, 5, 6, 7]));
  });

  it("has no more than 50 rows in a page unless asked for more, and at most 200", async () => {
    expect((await ask(path(seven), "limit=200")).status).toBe(200);
    for (const limit of ["201", "0", "-1", "1.5", "1e2", "", "x", "99999999999", "0x10", "%2010", "2&limit=2"]) {
      const { status, body } = await ask(path(seven), `limit=${limit}`);
      expect(status, limit).toBe(400);
      expect(body).toMatchObject({ error: "INVALID_REQUEST", errors: [{ field: "limit" }] });
    }
  });

  it("is empty where there is nothing", async () => {
    expect((await operate("GET", path(await emptyDomain()))).body).toEqual({ [name]: [], nextCursor: null });
  });

  it("refuses query members it does not know, by their names", async () => {
    const { status, body } = await ask(path(seven), "limit=2&offset=3&Limit=7");
    expect(status).toBe(400);
    expect(body.errors.map(({ field }: { field: string }) => field).sort()).toEqual(["Limit", "offset"]);
  });

  it("takes no cursor but its own, whole", async () => {
    const { nextCursor } = (await ask(path(seven), "limit=2")).body;
    const foreign = await Promise.all([
      ...EACH.filter(([, other]) => other !== collection).map(([, other]) => other.path(seven)),
      ...[await emptyDomain()].map(async (other) => {
        for (let number = 1; number <= 3; number++) await add(other, number);
        return path(other);
      }),
    ]);
    const others = await Promise.all(foreign.map(async (other) => (await ask(other, "limit=2")).body.nextCursor));
    expect(others.every((cursor) => typeof cursor === "string")).toBe(true);
    const parts = nextCursor.split(".");
    const tampered = parts.flatMap((part: string, index: number) => {
      const swapped = (text: string) => parts.with(index, text).join(".");
      const other = (character: string | undefined) => (character === "A" ? "B" : "A");
      return part === "" ? [swapped("AAAA")] : [swapped(`${other(part[0])}${part.slice(1)}`), swapped("")];
    });
    const { handle } = (await operate("GET", `/${seven}/members?limit=1`)).body.members[0];
    const cursors = [...others, ...tampered, handle, "", "x", "null", "1", "....", nextCursor.slice(0, -4)];
    for (const cursor of [...cursors, "x".repeat(5_000), `${nextCursor}&cursor=${nextCursor}`]) {
      const { status, body } = await ask(path(seven), `cursor=${cursor}`);
      expect(status, cursor).toBe(400);
      expect(body).toMatchObject({ error: "INVALID_REQUEST", errors: [{ field: "cursor" }] });
    }
  });

  it("takes no random cursor", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ minLength: 1 }), fc.base64String({ minLength: 1 })), async (text) => {
        const { status, body } = await ask(path(seven), `cursor=${encodeURIComponent(text)}`);
        expect(status).toBe(400);
        expect(body.errors).toEqual([expect.objectContaining({ field: "cursor" })]);
      }),
      { numRuns: 40 },
    );
  });

  it("goes on after the row that a page ended with, though that is gone", async () => {
    const domain = await emptyDomain();
    for (const number of [1, 2, 3, 4]) await add(domain, number);
    const { body } = await ask(path(domain), "limit=2");
    await remove(domain, numberOf(body[name].at(-1)));
    const rest = await ask(path(domain), `limit=2&cursor=${body.nextCursor}`);
    expect(rest.body[name].map(numberOf)).toEqual(inOrder(collection, [1, 2, 3, 4]).slice(2));
  });

  it("has every row that stays exactly once, and none twice, while others come and go", async () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: ROWS }), { maxLength: ROWS });
    const page = fc.record({ limit: fc.integer({ min: 1, max: 9 }), toggled: numbers });
    await fc.assert(
      fc.asyncProperty(numbers, fc.array(page, { minLength: 1, maxLength: 8 }), async (initial, pages) => {
        const domain = await emptyDomain();
        const there = new Set(initial);
        for (const number of initial) await add(domain, number);
        const always = new Set(initial);
        const ever = new Set(initial);
        const seen: number[] = [];
        let cursor: string | null = "";
        for (let turn = 0; cursor !== null; turn++) {
          const { limit, toggled } = pages[turn] ?? { limit: 200, toggled: [] };
          const { body } = await ask(path(domain), `limit=${limit}${cursor}`);
          expect(body[name].length).toBeLessThanOrEqual(limit);
          const shown: number[] = body[name].map(numberOf);
          expect(shown.every((number) => there.has(number))).toBe(true);
          seen.push(...shown);
          cursor = body.nextCursor === null ? null : `&cursor=${body.nextCursor}`;
          if (cursor === null) break;
          for (const number of toggled) {
            await (there.has(number) ? remove : add)(domain, number);
            if (!there.delete(number)) there.add(number);
            always.delete(number);
            ever.add(number);
          }
        }
        expect(seen).toEqual(inOrder(collection, [...new Set(seen)]));
        expect(seen.filter((number) => always.has(number))).toEqual(inOrder(collection, [...always]));
        expect(seen.every((number) => ever.has(number))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });
});

describe("the list of domains", () => {
  it("has those whose names begin with the prefix, by name", async () => {
    const base = newDomain();
    const names = ["", "-x", ".x", "0", "A", "a", "a~z", "~~z", "ä"].map((end) => `${base}${end}`).slice(0, -1);
    for (const name of names) await configure(name, {});
    await configure(`${base.slice(0, -1)}`, {});
    const listed = async (prefix: string) =>
      (await paged(`?prefix=${encodeURIComponent(prefix)}`, "domains", 3)).map(({ domain }) => domain);
    expect(await listed(base)).toEqual(names);
    expect(await listed(`${base}a`)).toEqual([`${base}a`, `${base}a~z`]);
    expect(await listed(`${base}~`)).toEqual([`${base}~~z`]);
    expect(await listed(base.toUpperCase())).toEqual([]);
    for (const wildcard of ["%", "_", "*", "?", `${base.slice(0, -2)}%`, `${base}[a-z]`]) {
      expect(await listed(wildcard), wildcard).toEqual([]);
    }
  });

  it("shows each as it is shown alone", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    await register(domain, newGuid());
    await expectCopied(domain);
    const { body } = await operate("GET", `?prefix=${domain}`);
    const { database, copiedRevision, copySecondsBehind, ...alone } = (await operate("GET", `/${domain}`)).body;
    expect([database, copiedRevision, copySecondsBehind]).toEqual(["DB", alone.revision, 0]);
    expect(body.domains).toEqual([alone]);
    expect(body.domains[0]).toEqual({
      domain,
      ...DEFAULTS,
      retiredUpTo: 0,
      keyVersion: 1,
      keyRolloverRequired: false,
      memberCount: 2,
      revision: 2,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
  });

  it("takes no cursor of another prefix, and no prefix that is too long", async () => {
    const { nextCursor } = (await operate("GET", `?prefix=${seven}.&limit=2`)).body;
    const other = await operate("GET", `?prefix=${seven}&cursor=${nextCursor}`);
    expect(other.body.errors).toEqual([expect.objectContaining({ field: "cursor" })]);
    const long = await operate("GET", `?prefix=${"x".repeat(129)}`);
    expect(long.body.errors).toEqual([expect.objectContaining({ field: "prefix" })]);
  });
});

describe("a list of a domain", () => {
  it.each(["members", "bans", "key-versions", "log", "log/head", "log/export", "activity"])(
    "%s, that does not exist, is not found",
    async (list) => {
      const { status, body } = await operate("GET", `/${newDomain()}/${list}`);
      expect(status).toBe(404);
      expect(body.error).toBe("DOMAIN_NOT_FOUND");
    },
  );

  it.each(["members", "bans"])(
    "%s, tells no machine GUID, nor does any part of its cursors and handles",
    async (list) => {
      const domain = newDomain();
      const guids = Array.from({ length: 12 }, newGuid);
      for (const guid of guids) {
        await register(domain, guid);
        if (list === "bans") await operate("PUT", `/${domain}/bans/${guid}`, { reason: "stolen" });
      }
      const page = (await operate("GET", `/${domain}/${list}?limit=6`)).body;
      const sealed = [page.nextCursor, ...page[list].map(({ handle }: { handle: string }) => handle)];
      const told = sealed.flatMap((text: string) => [text, ...text.split(".").map(clear)]).join("\n");
      expect(sealed).toHaveLength(7);
      for (const guid of guids) {
        expect(JSON.stringify(page)).not.toContain(guid.slice(0, 9));
        for (const secret of [guid, guid.slice(9), guid.replaceAll("-", ""), domain])
          expect(told).not.toContain(secret);
      }
    },
  );

  it("of members seals handles and cursors, each under a key of its own, not under that of private keys", async () => {
    const domain = newDomain();
    for (let count = 0; count < 2; count++) await register(domain, newGuid());
    const { members, nextCursor } = (await operate("GET", `/${domain}/members?limit=1`)).body;
    for (const sealed of [members[0].handle, nextCursor]) {
      for (const key of JSON.parse(env.KEY_ENCRYPTION_KEYS).keys) {
        expect(decodeProtectedHeader(sealed).kid).toBe(key.kid);
        await expect(compactDecrypt(sealed, key)).rejects.toThrow("decryption operation failed");
      }
    }
  });

  it("of members or bans never has the same handle twice, so that handles do not tell devices apart", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    const [one, two] = [await paged(`/${domain}/members`, "members"), await paged(`/${domain}/members`, "members")];
    expect(one[0]?.handle).not.toBe(two[0]?.handle);
    expect(one[0]?.deviceId).toBe(two[0]?.deviceId);
  });
});

describe("key versions", () => {
  it("are shown with when they were made, newest first, and without the keys", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    for (let version = 2; version <= 3; version++) await operate("POST", `/${domain}/rollover`, { when: "now" });
    const { keys } = (await operate("GET", `/${domain}/key-versions`)).body;
    const publicKeys: JWK[] = (await reply("GET", `/domains/${domain}/keys`)).body.keys;
    const kids = await Promise.all(publicKeys.map((key) => calculateJwkThumbprint(key)));
    expect(keys.map((key: object) => ({ ...key, createdAt: null }))).toEqual(
      [3, 2, 1].map((keyVersion) => ({ keyVersion, kid: kids[keyVersion - 1], createdAt: null })),
    );
    for (const { createdAt } of keys) expect(new Date(createdAt).toISOString()).toBe(createdAt);
  });
});

/** Decodes base64url text to UTF-8 text. Bytes that are not UTF-8 are replaced. */
function clear(part: string): string {
  return new TextDecoder().decode(base64url.decode(part));
}
