import { env } from "cloudflare:workers";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { newDevice } from "../support/devices.ts";
import {
  asAdmin,
  ask,
  configure,
  deregister,
  newDomain,
  newGuid,
  ORIGIN,
  register,
  reply,
  stored,
} from "../support/worker/client.ts";
import { LOGGED_DEFAULTS } from "../support/worker/default-settings.ts";
import { breaks, type Entry, storedEntries } from "../support/worker/log-chains.ts";
import { asOperator, deviceId, operate, paged, signedBy } from "../support/worker/operators.ts";

const OFFICE = "https://office.example#someone";

const oldestFirst = (domain: string, limit?: number): Promise<Entry[]> =>
  paged(`/${domain}/log?order=oldest`, "entries", limit);

/** A domain to which everything happened that can, once at least. */
let domain: string;
const [plain, device, banned, stranger] = [newGuid(), await newDevice(), await newDevice(), newGuid()];
const guids = [plain, device.machineGuid, banned.machineGuid, stranger];

beforeAll(async () => {
  domain = newDomain();
  const evictor = await asOperator("domains:evict");
  const writer = await asOperator("domains:write");
  await register(domain, plain);
  await register(domain, device.machineGuid);
  await signedBy(device, domain, "register");
  await signedBy(banned, domain, "register", { encryptionKey: banned.publicJwk });
  await deregister(domain, plain, {}, { "idempotency-key": "a-key-of-the-device" });
  await register(domain, plain);
  await operate("DELETE", `/${domain}/members/${device.machineGuid}`, undefined, evictor);
  await operate("POST", `/${domain}/rollover`, { when: "now" }, writer);
  await operate("POST", `/${domain}/rollover`, { when: "next-registration" }, writer);
  await operate("PUT", `/${domain}/bans/${banned.machineGuid}`, { reason: "Verloren in Göteborg 🔑" }, evictor);
  await operate("PUT", `/${domain}/bans/${stranger}`, { reason: "unknown" });
  await operate("DELETE", `/${domain}/bans/${stranger}`, undefined, evictor);
  await operate("PATCH", `/${domain}`, { maxMembership: 5 }, writer);
});

describe("the log", () => {
  it("tells every kind of change, of which device by its id, and who did it", async () => {
    const [plainId, keyedId, bannedId, strangerId] = await Promise.all(guids.map((guid) => deviceId(domain, guid)));
    const requestId = expect.stringMatching(/^[0-9a-f-]{36}$/);
    const { keys } = (await reply("GET", `/domains/${domain}/keys`)).body;
    const kids = keys.map(({ kid }: { kid: string }) => kid);
    const unsigned = { requestId, deviceKeyThumbprint: null };
    const byOffice = { requestId, by: OFFICE };
    const deviceKeyThumbprint = banned.thumbprint;
    const expected = [
      [
        { type: "domain-created" },
        { type: "device-joined", deviceId: plainId, ...unsigned },
        { type: "key-made", keyVersion: 1, kid: kids[0] },
      ],
      [{ type: "device-joined", deviceId: keyedId, ...unsigned }],
      [
        { type: "device-key-bound", deviceId: keyedId, requestId, deviceKeyThumbprint: device.thumbprint },
        { type: "request-used", deviceId: keyedId, requestId },
      ],
      [{ type: "device-joined", deviceId: bannedId, requestId, deviceKeyThumbprint }],
      [{ type: "device-left", deviceId: plainId, requestId }],
      [
        { type: "device-joined", deviceId: plainId, ...unsigned },
        { type: "key-made", keyVersion: 2, kid: kids[1] },
      ],
      [{ type: "device-evicted", deviceId: keyedId, ...byOffice }],
      [{ type: "key-made", keyVersion: 3, kid: kids[2], ...byOffice }],
      [{ type: "rollover-required", ...byOffice }],
      [
        { type: "device-evicted", deviceId: bannedId, ...byOffice },
        {
          type: "device-banned",
          deviceId: bannedId,
          deviceKeyThumbprint,
          reason: "Verloren in Göteborg 🔑",
          ...byOffice,
        },
      ],
      [
        {
          type: "device-banned",
          deviceId: strangerId,
          deviceKeyThumbprint: null,
          reason: "unknown",
          requestId,
          by: "admin-token",
        },
      ],
      [{ type: "device-unbanned", deviceId: strangerId, ...byOffice }],
      [
        {
          type: "settings-changed",
          settings: { ...LOGGED_DEFAULTS, maxMembership: 5 },
          previous: LOGGED_DEFAULTS,
          ...byOffice,
        },
      ],
    ];
    const entries = await oldestFirst(domain);
    expect(entries.map(({ changes }) => changes)).toEqual(expected);
    expect(entries.map(({ revision }) => revision)).toEqual(expected.map((_, index) => index + 1));
  });

  it("has the members of an entry that were promised, and no others", async () => {
    for (const entry of await oldestFirst(domain)) {
      expect(Object.keys(entry).sort()).toEqual(["changes", "committedAt", "domain", "hash", "previous", "revision"]);
      expect(entry.domain).toBe(domain);
      expect(new Date(entry.committedAt).toISOString()).toBe(entry.committedAt);
      expect(entry.hash).toMatch(/^[\w-]{43}$/);
    }
  });

  it("is told newest first unless asked for otherwise, and the same by pages of any length", async () => {
    const whole = await oldestFirst(domain);
    for (const limit of [1, 2, 5, 13, 200]) {
      expect(await oldestFirst(domain, limit)).toEqual(whole);
      expect(await paged(`/${domain}/log`, "entries", limit)).toEqual(whole.toReversed());
    }
    const { body } = await operate("GET", `/${domain}/log?order=latest`);
    expect(body.errors).toEqual([expect.objectContaining({ field: "order" })]);
  });

  it("is a chain: each entry hashes the one before, as anyone may compute again", async () => {
    const entries = await oldestFirst(domain);
    expect(entries[0]?.previous).toBeNull();
    expect(await breaks(entries)).toEqual([]);
    expect(await storedEntries(domain)).toEqual(entries);
  });

  it("holds no machine GUID and no key of a request, nor does anything else that operators are told", async () => {
    const raw = await stored(domain, "select changes from domain_log");
    const paths = ["/log?limit=200", "/log?order=oldest", "/log/export", "/log/head", "/bans", "/members", "/activity"];
    const texts = [JSON.stringify(raw)];
    for (const path of paths) {
      const answer = await ask("GET", `/admin/domains/${domain}${path}`, undefined, asAdmin);
      expect(answer.status).toBe(200);
      texts.push(await answer.text());
    }
    expect(texts.every((text) => text.length > 10)).toBe(true);
    for (const text of texts) {
      for (const guid of guids) {
        for (const form of [guid, guid.toUpperCase(), guid.replaceAll("-", "")]) expect(text).not.toContain(form);
      }
      expect(text).not.toContain("a-key-of-the-device");
    }
    for (const guid of guids) expect(texts[0]).not.toContain(guid.slice(0, 8));
  });

  it("says nothing of what was refused or changed nothing", async () => {
    const before = await oldestFirst(domain);
    await register(domain, plain, { afterKeyVersion: 1 });
    const renewed = await oldestFirst(domain);
    // The rollover was due.
    expect(renewed.slice(before.length).map(({ changes }) => changes.map(({ type }) => type))).toEqual([["key-made"]]);
    await register(domain, plain);
    await deregister(domain, newGuid());
    await deregister(domain, plain, { preview: true });
    await signedBy(banned, domain, "register");
    await operate("PATCH", `/${domain}`, { maxMembership: 5 });
    await operate("DELETE", `/${domain}/members/${newGuid()}`);
    expect(await oldestFirst(domain)).toEqual(renewed);
  });

  it("takes as many pages as it has of very long entries, and misses none", async () => {
    const long = newDomain();
    await configure(long, {});
    const reason = "x".repeat(400_000);
    const changes = JSON.stringify([{ type: "device-banned", reason }]);
    for (let revision = 2; revision <= 10; revision++) {
      await stored(long, "insert into domain_log values (?, 0, ?, 'hash', '')", revision, changes);
    }
    const first = await operate("GET", `/${long}/log?order=oldest`);
    expect(first.body.entries.length).toBeLessThan(10);
    expect(first.body.entries.length).toBeGreaterThan(0);
    const revisions = (entries: Entry[]) => entries.map(({ revision }) => revision);
    const all = Array.from({ length: 10 }, (_, index) => index + 1);
    expect(revisions(await oldestFirst(long))).toEqual(all);
    expect(revisions(await oldestFirst(long, 1))).toEqual(all);
    expect(revisions(await paged(`/${long}/log`, "entries"))).toEqual(all.toReversed());
    const exported = await (await ask("GET", `/admin/domains/${long}/log/export`, undefined, asAdmin)).text();
    expect(
      revisions(
        exported
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
      ),
    ).toEqual(all);
  });
});

describe("the export of the log", () => {
  it("is the log, an entry a line, oldest first", async () => {
    const answer = await ask("GET", `/admin/domains/${domain}/log/export`, undefined, asAdmin);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/jsonl");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const text = await answer.text();
    expect(text.endsWith("\n")).toBe(true);
    const lines = text.slice(0, -1).split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(await oldestFirst(domain));
  });

  it("goes on over any number of entries", async () => {
    const long = newDomain();
    await configure(long, {});
    await stored(
      long,
      `with recursive numbers(n) as (select 2 union all select n + 1 from numbers where n < 2501)
        insert into domain_log select n, n, '[]', 'hash-' || n, '' from numbers`,
    );
    const exported = await (await ask("GET", `/admin/domains/${long}/log/export`, undefined, asAdmin)).text();
    const revisions = exported
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).revision);
    expect(revisions).toEqual(Array.from({ length: 2_501 }, (_, index) => index + 1));
  });
});

describe("the head of the log", () => {
  it("is the newest entry, in a statement that the domain authority signed", async () => {
    const { body: head } = await operate("GET", `/${domain}/log/head`);
    const newest = (await operate("GET", `/${domain}/log?limit=1`)).body.entries[0];
    const { revision, hash, committedAt } = newest;
    expect(head).toEqual({ domain, revision, hash, committedAt, checkpoint: null, statement: expect.any(String) });
    const published = createLocalJWKSet((await reply("GET", "/.well-known/jwks.json")).body);
    const { payload, protectedHeader } = await jwtVerify(head.statement, published, {
      algorithms: ["ES256"],
      typ: "domain-log-head+jwt",
      issuer: ORIGIN,
      subject: domain,
    });
    expect(payload).toEqual({ iss: ORIGIN, sub: domain, revision, hash, iat: expect.any(Number) });
    expect(Math.abs(Date.now() / 1000 - (payload.iat as number))).toBeLessThan(60);
    expect(protectedHeader.kid).toBe(JSON.parse(env.DOMAIN_AUTHORITY_KEYS).keys[0].kid);
  });

  it("is a statement of another type than a domain token, so that neither passes for the other", async () => {
    const { statement } = (await operate("GET", `/${domain}/log/head`)).body;
    const { token } = (await register(domain, plain)).body.credentials[0];
    expect(decodeProtectedHeader(statement).typ).not.toBe(decodeProtectedHeader(token).typ);
  });
});

describe("a log that was changed by hand", () => {
  /** A domain with six entries, the statement of its head, and what then became of its rows. */
  async function tampered(...statements: string[]) {
    const victim = newDomain();
    await configure(victim, {});
    for (let count = 0; count < 5; count++) await register(victim, newGuid());
    const whole = await oldestFirst(victim);
    expect(await breaks(whole)).toEqual([]);
    for (const statement of statements) await stored(victim, statement);
    return { victim, whole, now: await oldestFirst(victim) };
  }

  it("breaks where a change was rewritten", async () => {
    const { now } = await tampered(
      "update domain_log set changes = replace(changes, 'device-joined', 'device-left') where revision = 3",
    );
    expect(await breaks(now)).toEqual([3]);
  });

  it.each([
    ["committed_at = committed_at + 1", [3]],
    [`hash = '${"A".repeat(43)}'`, [3, 4]],
    ["hash = ''", [3, 4]],
  ])("breaks where %s", async (set, broken) => {
    const { now } = await tampered(`update domain_log set ${set} where revision = 3`);
    expect(await breaks(now)).toEqual(broken);
  });

  it("breaks where an entry was removed", async () => {
    const { now } = await tampered("delete from domain_log where revision = 4");
    expect(await breaks(now)).toEqual([5]);
    const first = await tampered("delete from domain_log where revision = 1");
    expect(await breaks(first.now)).toEqual([2]);
  });

  it("breaks where an entry was inserted", async () => {
    const { now } = await tampered(
      "update domain_log set revision = revision + 100 where revision > 3",
      "update domain_log set revision = revision - 99 where revision > 100",
      "insert into domain_log select 4, committed_at, '[]', hash, mac from domain_log where revision = 3",
    );
    expect(now).toHaveLength(7);
    expect(await breaks(now)).toContain(4);
    expect(await breaks(now)).toContain(5);
  });

  it("is whole if its end was cut off, but not what the head was that was signed before", async () => {
    const { victim, whole, now } = await tampered("delete from domain_log where revision = 6");
    expect(await breaks(now)).toEqual([]);
    expect(now.at(-1)?.hash).not.toBe(whole.at(-1)?.hash);
    // What comes next cannot take up the thread: the domain knows how far it had come.
    await register(victim, newGuid());
    expect(await breaks(await oldestFirst(victim))).toEqual([7]);
  });
});
