import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CopiedChange } from "../../src/server/database/copied-tables.ts";
import { DatabaseWriter } from "../../src/server/database/database-writer.ts";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { Keyring } from "../../src/server/object/keyring.ts";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import { newRequestId } from "../../src/server/request-ids.ts";
import { newDevice } from "../support/devices.ts";
import {
  asAdmin,
  configure,
  deregister,
  newDomain,
  newGuid,
  register,
  reply,
  rows,
  stored,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import {
  deleteDomain,
  deletionInDatabase,
  expectForgotten,
  leftIn,
  rowsInDatabase,
} from "../support/worker/deletions.ts";
import { ALL_FAULTS, setWriterDatabase, unluckyDatabase } from "../support/worker/faulty-database.ts";
import { bringTo, versionsOf } from "../support/worker/key-versions.ts";
import {
  evict,
  execute,
  gist,
  joins,
  leaves,
  objectOf,
  operators,
  runAlarm,
  setEnvironment,
} from "../support/worker/objects.ts";
import { operate, paged, signedBy } from "../support/worker/operators.ts";

const mends: (() => void)[] = [];
beforeEach(() => setWriterDatabase());
afterEach(async () => {
  vi.restoreAllMocks();
  for (const mend of mends.splice(0)) mend();
  await setWriterDatabase();
});

/** A domain with two keys, a member, a ban, settings, a request on record and a log; D1 has all of it. */
async function lived() {
  const [domain, member, banned] = [newDomain(), newGuid(), newGuid()];
  await bringTo(domain, 2, member);
  await operate("PUT", `/${domain}/bans/${banned}`, { reason: "stolen" });
  await operate("PATCH", `/${domain}`, { maxMembership: 3 });
  await register(domain, banned);
  await expectCopied(domain);
  const { info } = await rows(domain);
  return { domain, member, banned, revision: Number(info?.revision), keyVersion: 2 };
}

/** Gives D1 more members of a domain than two pages have. */
const MANY_MEMBERS = `
  with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 12000)
  insert into domain_membership (domain, machine_guid) select ?, printf('%08x', n) from numbers`;

/** Has the storage of a domain's object be lost. */
async function loseStorage(domain: string): Promise<void> {
  await runInDurableObject(objectOf(domain), (_, { storage }) => storage.deleteAll());
  await evict(domain);
}

describe("a domain that an operator deletes", () => {
  it("is gone with all that it had, from the object and from D1", async () => {
    const { domain, member, revision } = await lived();
    expect(await deleteDomain(domain)).toMatchObject({ status: 200, body: { domain, deleted: true, copied: true } });
    for (const path of [`/domains/${domain}`, `/domains/${domain}/keys`, `/domains/${domain}/keys/2/history`]) {
      expect((await reply("GET", path)).body.error, path).toBe("DOMAIN_NOT_FOUND");
    }
    for (const path of ["", "/members", "/bans", "/log", "/key-versions", "/activity"]) {
      expect((await operate("GET", `/${domain}${path}`)).body.error, path).toBe("DOMAIN_NOT_FOUND");
    }
    expect((await deregister(domain, member)).body.error).toBe("DEREG_DENIED");
    await runAlarm(domain);
    // The migrations and the record of the deletion are all there is; no wrapped key is left in either store.
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
    expect(await rowsInDatabase(domain)).toBe(0);
    const left = { domain, key_version: 2, revision, member_count: 1, deleted_by: "admin-token" };
    expect(await deletionInDatabase(domain)).toEqual({ ...left, deleted_at: expect.any(Number) });
    expect(await stored(domain, "select * from domain_deletion")).toEqual([expect.objectContaining(left)]);
  });

  it("is listed among the deletions, by name", async () => {
    const domains = [newDomain(), newDomain()].sort();
    for (const domain of domains) {
      await register(domain, newGuid());
      await deleteDomain(domain);
    }
    const { status, body } = await reply("GET", "/admin/deletions?limit=200", undefined, asAdmin);
    expect(status).toBe(200);
    const names = body.deletions.map(({ domain }: { domain: string }) => domain);
    expect(names).toEqual(names.toSorted());
    expect(body.deletions).toContainEqual({
      domain: domains[0],
      keyVersion: 1,
      memberCount: 1,
      deletedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      deletedBy: "admin-token",
    });
    const first = await reply("GET", "/admin/deletions?limit=1", undefined, asAdmin);
    const second = await reply("GET", `/admin/deletions?limit=1&cursor=${first.body.nextCursor}`, undefined, asAdmin);
    expect([first, second].map((page) => page.body.deletions[0].domain)).toEqual(names.slice(0, 2));
  });

  it.each(["", "?confirm=", "?confirm=another", "?confirm=DOMAIN&confirm=DOMAIN", "?confirm=DOMAIN&force=true"])(
    "is not deleted by '%s'",
    async (query) => {
      const { domain } = await lived();
      const before = await rows(domain);
      const { status, body } = await operate("DELETE", `/${domain}${query.replaceAll("DOMAIN", domain)}`);
      expect([status, body.error]).toEqual([400, "INVALID_REQUEST"]);
      expect(body.errors.map(({ field }: { field: string }) => field)).toEqual([
        query.includes("force") ? "force" : "confirm",
      ]);
      expect(await rows(domain)).toEqual(before);
    },
  );

  it("is a 404 if there is none, before it was ever there and after it was deleted; none is made", async () => {
    const { domain } = await lived();
    const unknown = newDomain();
    expect((await deleteDomain(unknown)).body.error).toBe("DOMAIN_NOT_FOUND");
    expect(await leftIn(unknown)).toEqual({});
    await deleteDomain(domain);
    expect((await deleteDomain(domain)).body.error).toBe("DOMAIN_NOT_FOUND");
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
  });

  it("is deleted once by a request that is repeated, and a domain that came after it stays", async () => {
    const { domain } = await lived();
    const request = { requestId: newRequestId(), by: "ada" };
    const done = { granted: true, grant: { value: { deleted: true, copied: true } } };
    expect(await objectOf(domain).delete(request)).toEqual(done);
    expect(await objectOf(domain).delete(request)).toEqual(done);
    expect((await register(domain, newGuid())).status).toBe(201);
    expect(await objectOf(domain).delete(request)).toEqual(done);
    expect((await rows(domain)).members).toHaveLength(1);
  });

  it("is not said to be unknown to a repeat of a deletion, after another deletion", async () => {
    const { domain, member } = await lived();
    const first = { requestId: newRequestId(), by: "ada" };
    await objectOf(domain).delete(first);
    expect((await register(domain, member)).status).toBe(201);
    await deleteDomain(domain);
    // Whether it did anything is no longer on record.
    expect(gist(await objectOf(domain).delete(first))).toBe("TEMPORARILY_UNAVAILABLE");
  });

  it("stays as it was if the object fails or is lost in mid-transaction", async () => {
    const { domain, member } = await lived();
    const before = await rows(domain);
    const { erase } = DomainStorage.prototype;
    const spy = vi.spyOn(DomainStorage.prototype, "erase").mockImplementation(function (this: DomainStorage, row) {
      erase.call(this, row);
      throw new Error("no");
    });
    expect((await deleteDomain(domain)).status).toBe(500);
    expect(await rows(domain)).toEqual(before);
    spy.mockRestore();
    expect((await register(domain, member)).status).toBe(200);
    await expectCopied(domain);
  });

  it("with very many members is erased from D1 page by page", async () => {
    const { domain } = await lived();
    await env.DB.prepare(MANY_MEMBERS).bind(domain).run();
    expect((await deleteDomain(domain)).body.copied).toBe(true);
    expect(await rowsInDatabase(domain)).toBe(0);
  });
});

describe("a domain with the name of one that was deleted", () => {
  it.each(["a registration", "an operator"])("comes into being by %s, with no key below", async (who) => {
    const { domain, member, keyVersion, revision } = await lived();
    await deleteDomain(domain);
    if (who === "an operator") expect((await configure(domain, { maxMembership: 4 })).status).toBe(201);
    const joined = await register(domain, member);
    expect([joined.status, joined.body.keyVersion, versionsOf(joined)]).toEqual([201, keyVersion + 1, [3]]);
    expect(joined.body).not.toHaveProperty("olderKeyVersions");
    const overview = (await operate("GET", `/${domain}`)).body;
    expect(overview).toMatchObject({ keyVersion: 3, retiredUpTo: 2, memberCount: 1, keyRolloverRequired: false });
    const entries = await paged(`/${domain}/log?order=oldest`, "entries");
    expect(entries[0]).toMatchObject({ revision: revision + 1, previous: null });
    expect(entries[0].changes[0]).toEqual({ type: "domain-created", keyVersion });
    expect(entries.every((entry) => entry.revision > revision)).toBe(true);
    expect((await operate("GET", `/${domain}/bans`)).body.bans).toEqual([]);
    await expectCopied(domain);
    expect(await deletionInDatabase(domain)).not.toBeNull();
  });

  it("renews no credential of before, and opens no history to its keys", async () => {
    const [domain, device] = [newDomain(), await newDevice("ES256")];
    const machineGuid = newGuid();
    const before = await signedBy(device, domain, "register", { machineGuid });
    expect(versionsOf(before)).toEqual([1]);
    await deleteDomain(domain);
    const after = await signedBy(device, domain, "register", { machineGuid, afterKeyVersion: 0 });
    expect([after.status, after.body.newMember, versionsOf(after)]).toEqual([201, true, [2]]);
    expect((await reply("GET", `/domains/${domain}/keys?version=1`)).body.error).toBe("NOT_FOUND");
    expect((await reply("GET", `/domains/${domain}/keys/1/history`)).body.error).toBe("NOT_FOUND");
    const history = await reply("GET", `/domains/${domain}/keys/2/history`);
    expect(history.body.credentials).toEqual([]);
    const set = (await reply("GET", `/domains/${domain}/keys`)).body;
    expect(set.currentKeyVersion).toBe(2);
    expect(set).not.toHaveProperty("olderKeyVersions");
    // Nothing brings the lost key back.
    const retired = await operate("PUT", `/${domain}/retired-keys`, { upTo: 0 });
    expect(retired.body.retiredUpTo).toBe(1);
  });

  it("states its own key at once, not the one that a statement of a moment ago names", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const claims = async () => {
      const { statement } = (await reply("GET", `/domains/${domain}/keys`)).body;
      return JSON.parse(atob(statement.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    };
    const before = await claims();
    await deleteDomain(domain);
    await configure(domain, {});
    const after = await claims();
    expect([before.key_version, after.key_version]).toEqual([null, null]);
    expect(after.revision).toBeGreaterThan(before.revision);
    expect(after.epoch).toBeGreaterThan(before.epoch);
  });

  it("goes on above them also if the clock was set back, and when deleted again and again", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    const now = Date.now();
    for (const [life, time] of [now, now - 3_600_000, now - 7_200_000].entries()) {
      vi.spyOn(Date, "now").mockReturnValue(time);
      const joined = await register(domain, guid);
      expect([joined.status, joined.body.keyVersion]).toEqual([201, life + 1]);
      vi.restoreAllMocks();
      await expectCopied(domain);
      vi.spyOn(Date, "now").mockReturnValue(time);
      expect((await deleteDomain(domain)).status).toBe(200);
      vi.restoreAllMocks();
      await expectForgotten(domain);
      expect(await deletionInDatabase(domain)).toMatchObject({ key_version: life + 1 });
    }
  });

  it("goes on above them if the storage of the object was lost, and D1 alone knows", async () => {
    const { domain, member, revision } = await lived();
    await deleteDomain(domain);
    await loseStorage(domain);
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(404);
    expect(await leftIn(domain)).toEqual({});
    const joined = await register(domain, member);
    expect([joined.status, versionsOf(joined)]).toEqual([201, [3]]);
    expect(Number((await rows(domain)).info?.revision)).toBe(revision + 1);
    await expectCopied(domain);
  });

  it("is taken over as it is, keys or not, if its own storage was lost", async () => {
    for (const withKey of [true, false]) {
      const { domain, member } = await lived();
      await deleteDomain(domain);
      await configure(domain, { maxMembership: 9 });
      if (withKey) await register(domain, member);
      await expectCopied(domain);
      await loseStorage(domain);
      const overview = (await operate("GET", `/${domain}`)).body;
      const keyVersion = withKey ? 3 : 2;
      expect(overview).toMatchObject({ maxMembership: 9, retiredUpTo: 2, keyVersion });
      expect(versionsOf(await register(domain, newGuid()))).toEqual(withKey ? [3, 4] : [3]);
      await expectCopied(domain);
    }
  });
});

describe("D1, of a domain that was deleted", () => {
  /** Has the database writer use a database that fails so. */
  async function failing(fault: (typeof ALL_FAULTS)[number]) {
    const { database, luck, mend } = unluckyDatabase(() => fault);
    mends.push(mend);
    await setWriterDatabase(database);
    return { luck, mend };
  }

  it.each(ALL_FAULTS)("is told by the alarm if it %s, and the answer says so", async (fault) => {
    const { domain } = await lived();
    const { mend } = await failing(fault);
    const { status, body } = await deleteDomain(domain);
    expect([status, body.deleted, body.copied]).toEqual([200, true, false]);
    // While D1 still has its rows, nobody takes it over from them.
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(404);
    mend();
    await setWriterDatabase();
    const owed = () => stored(domain, "select is_owed from domain_deletion");
    await vi.waitFor(
      async () => {
        await runAlarm(domain);
        expect(await owed()).toEqual([{ is_owed: 0 }]);
      },
      { timeout: 20_000 },
    );
    await expectForgotten(domain);
  });

  it("is told by another instance, if the one that deleted it was lost before", async () => {
    const { domain } = await lived();
    vi.spyOn(DatabaseWriter.prototype, "deleteDomain").mockImplementation(() => new Promise(() => {}));
    const deleted = deleteDomain(domain);
    await vi.waitFor(async () => expect(await leftIn(domain)).toEqual({ domain_deletion: 1 }));
    await deleted;
    vi.restoreAllMocks();
    await abortAllDurableObjects();
    expect(await rowsInDatabase(domain)).toBeGreaterThan(0);
    expect(await runAlarm(domain)).toBe(true);
    await expectForgotten(domain);
  });

  it("is told first of the deletion, then of a domain that came after it", async () => {
    const { domain, banned } = await lived();
    const { mend } = await failing("fails before");
    await deleteDomain(domain);
    const guid = newGuid();
    expect((await register(domain, guid)).body.keyVersion).toBe(3);
    mend();
    await setWriterDatabase();
    await runAlarm(domain);
    await expectCopied(domain);
    expect((await rows(domain)).members).toHaveLength(1);
    expect(await deletionInDatabase(domain)).toMatchObject({ key_version: 2 });
    expect((await register(domain, banned)).status).toBe(201);
  });

  it("takes no late or repeated part of its copy, and loses nothing of a later domain to a late deletion", async () => {
    const domain = newDomain();
    const writes = vi.spyOn(DatabaseWriter.prototype, "write");
    const deletes = vi.spyOn(DatabaseWriter.prototype, "deleteDomain");
    const guid = newGuid();
    for (const command of [joins(guid), operators({ type: "rollover", when: "now" }), joins(newGuid())]) {
      await execute(domain, command);
      await expectCopied(domain);
    }
    const parts = writes.mock.calls
      .map(([part]) => structuredClone(part) as CopiedChange)
      .filter(({ info }) => info.domain === domain);
    expect(parts.length).toBeGreaterThan(2);
    await deleteDomain(domain);
    const deletion = structuredClone(deletes.mock.calls.at(-1)?.[0]);
    if (!deletion) throw new Error("nothing was deleted");
    const writer = env.DATABASE_WRITER.getByName("DB");
    const late = async () => {
      for (const part of parts) {
        await writer.write(part);
        // As one that is written whole, from a take-over or a repair.
        await writer.write({ ...part, base: 0 });
        await writer.beginRewrite(part.info, "late");
        const rows = part.rows.members as (string | null)[][];
        await writer.rewritePage({ domain, id: "late", table: "members", after: -1, upTo: null, rows });
        await writer.endRewrite(part.info, "late", {});
      }
    };
    await late();
    expect(await rowsInDatabase(domain)).toBe(0);
    expect(gist(await execute(domain, joins(guid)))).toMatchObject({ keyVersion: 3 });
    await expectCopied(domain);
    await late();
    await writer.deleteDomain(deletion);
    await expectCopied(domain);
    expect(await rowsInDatabase(domain)).toBe(3);
  });

  it("comes right if it is restored to a time before: nobody takes the domain over, and it is told again", async () => {
    const { domain, member } = await lived();
    const before = await Promise.all(
      ["domain_server_info", "domain_membership", "domain_keys"].map(async (table) => {
        const { results } = await env.DB.prepare(`select * from ${table} where domain = ?`).bind(domain).all();
        return [table, results] as const;
      }),
    );
    await deleteDomain(domain);
    await env.DB.prepare("delete from deleted_domains where domain = ?").bind(domain).run();
    for (const [table, restored] of before) {
      for (const row of restored) {
        const names = Object.keys(row);
        await env.DB.prepare(`insert into ${table} (${names}) values (${names.map(() => "?")})`)
          .bind(...Object.values(row))
          .run();
      }
    }
    await evict(domain);
    // As `npm run copy` asks all domains that D1 knows.
    expect((await operate("POST", `/${domain}/copy`)).body.error).toBe("DOMAIN_NOT_FOUND");
    await expectForgotten(domain);
    expect(versionsOf(await register(domain, member))).toEqual([3]);
    await expectCopied(domain);
  });

  it("forgets the rest of very many members, if the object that told it lost its storage in between", async () => {
    const { domain } = await lived();
    await env.DB.prepare(MANY_MEMBERS).bind(domain).run();
    const deletion = {
      domain,
      deletedAt: Date.now(),
      keyVersion: 2,
      revision: 9,
      memberCount: 12_001,
      deletedBy: "ada",
    };
    const page = await env.DATABASE_WRITER.getByName("DB").deleteDomain(deletion);
    expect(page).toEqual({ granted: true, grant: false });
    await loseStorage(domain);
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(404);
    await vi.waitFor(async () => expect(await rowsInDatabase(domain)).toBe(0), { timeout: 20_000 });
  });

  it("has no stale row taken over by an object that lost its storage", async () => {
    const { domain, member } = await lived();
    await deleteDomain(domain);
    await env.DB.prepare("insert into domain_server_info (domain, revision, created_at) values (?, 2, 5)")
      .bind(domain)
      .run();
    await env.DB.prepare("insert into domain_membership (domain, machine_guid) values (?, ?)")
      .bind(domain, newGuid())
      .run();
    await loseStorage(domain);
    const joined = await register(domain, member);
    expect([joined.status, versionsOf(joined)]).toEqual([201, [3]]);
    await expectCopied(domain);
  });
});

/** Has the domain be deleted just before the next transaction of its object: what leads to that is under way. */
function deletedBeforeNextTransaction() {
  const { transaction } = DomainStorage.prototype;
  const spy = vi.spyOn(DomainStorage.prototype, "transaction").mockImplementation(function <T>(
    this: DomainStorage,
    work: () => T,
  ): T {
    spy.mockRestore();
    const { name: domain } = this;
    const left = { domain, keyVersion: 2, revision: 9, memberCount: 1, deletedAt: Date.now(), deletedBy: "ada" };
    transaction.call(this, () => this.erase({ ...left, requestId: newRequestId(), isOwed: 0, database: "DB" }));
    return transaction.call(this, work) as T;
  });
}

describe("work that a deletion overtakes", () => {
  it("of wrapping keys anew brings nothing back", async () => {
    const { domain } = await lived();
    await evict(domain);
    const kek = { kty: "oct", kid: "another", k: "A".repeat(43) };
    const keys = [kek, ...JSON.parse(env.KEY_ENCRYPTION_KEYS).keys];
    await setEnvironment(domain, { KEY_ENCRYPTION_KEYS: JSON.stringify({ keys }) });
    // It would wrap them, too.
    vi.spyOn(DomainObject.prototype, "alarm").mockResolvedValue();
    deletedBeforeNextTransaction();
    expect(gist(await objectOf(domain).rewrapKeys(newRequestId()))).toEqual({ value: { rewrapped: 0, locked: 0 } });
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
  });

  it("of sending events leaves no place in the log", async () => {
    const domain = newDomain();
    let [isHeld, isSent] = [true, false];
    const sendBatch = async () => {
      // Polled: a promise of another object may not be awaited.
      while (isHeld) await scheduler.wait(1);
      isSent = true;
    };
    await setEnvironment(domain, { EVENTS: { sendBatch } });
    await register(domain, newGuid());
    await deleteDomain(domain);
    isHeld = false;
    await vi.waitFor(() => expect(isSent).toBe(true));
    await runAlarm(domain);
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
  });

  it("of cutting the log leaves no checkpoint", async () => {
    const { domain } = await lived();
    await evict(domain);
    await stored(domain, "update domain_log set committed_at = 1 where revision < 3");
    await setEnvironment(domain, { LOG_RETENTION_DAYS: "30", DOMAIN_SERVER_URL: "https://domains.example" });
    deletedBeforeNextTransaction();
    await runAlarm(domain);
    expect(await leftIn(domain)).not.toHaveProperty("domain_log_checkpoint");
  });

  it("of the copy is not taken for that of a later domain", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    await expectCopied(domain);
    const { write } = DatabaseWriter.prototype;
    let isHeld = true;
    const spy = vi.spyOn(DatabaseWriter.prototype, "write").mockImplementationOnce(async function (
      this: DatabaseWriter,
      ...change: Parameters<DatabaseWriter["write"]>
    ) {
      // Polled: a promise of another object may not be awaited.
      while (isHeld) await scheduler.wait(1);
      return write.apply(this, change);
    });
    await register(domain, newGuid());
    await vi.waitFor(() => expect(spy).toHaveBeenCalled());
    expect((await deleteDomain(domain)).body).toMatchObject({ deleted: true, copied: false });
    isHeld = false;
    await expectForgotten(domain);
    await vi.waitFor(async () => {
      expect(await stored(domain, "select is_owed from domain_deletion")).toEqual([{ is_owed: 0 }]);
    });
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
    await register(domain, newGuid());
    await expectCopied(domain);
  });
});

describe("requests that a deletion overtakes", () => {
  it("are not carried out once more if they are repeated: neither make a domain nor change one that came after", async () => {
    const { domain, member } = await lived();
    const asked = [
      joins(newGuid()),
      operators({ type: "settings", mode: "replace", patch: { maxMembership: 1 } }),
      operators({ type: "evict", machineGuid: member }),
      leaves(newGuid()),
    ];
    const never = { requestId: newRequestId(), by: "ada" };
    for (const command of asked) await execute(domain, command);
    await scheduler.wait(2);
    await deleteDomain(domain);
    const repeated = async () => Promise.all(asked.map(async (command) => gist(await execute(domain, command))));
    expect(await repeated()).toEqual(asked.map(() => "TEMPORARILY_UNAVAILABLE"));
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
    expect((await register(domain, member)).status).toBe(201);
    const before = await rows(domain);
    expect(await repeated()).toEqual(asked.map(() => "TEMPORARILY_UNAVAILABLE"));
    // A deletion from before that one, which the operator may have been told of.
    expect(gist(await objectOf(domain).delete(never))).toBe("TEMPORARILY_UNAVAILABLE");
    expect(await rows(domain)).toEqual(before);
  });

  it("and that wait for their keys meanwhile make no domain", async () => {
    const { domain } = await lived();
    await operate("PATCH", `/${domain}`, { maxMembership: null });
    await evict(domain);
    const { open } = Keyring.prototype;
    const spy = vi.spyOn(Keyring.prototype, "open").mockImplementation(async function (
      this: Keyring,
      ...asked: Parameters<Keyring["open"]>
    ) {
      spy.mockRestore();
      await open.apply(this, asked);
      await scheduler.wait(2);
      await runInDurableObject(objectOf(domain), (object) => object.delete({ requestId: newRequestId(), by: "ada" }));
    });
    expect(gist(await execute(domain, joins(newGuid())))).toBe("TEMPORARILY_UNAVAILABLE");
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
  });

  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])(
    "are to be repeated if their keys went (in a domain just made: %s; made anew since: %s)",
    async (isNew, isAnew) => {
      const { domain } = isNew ? { domain: newDomain() } : await lived();
      // Otherwise the credentials of a moment ago are at hand.
      if (!isNew) await evict(domain);
      const { credentials } = Keyring.prototype;
      const spy = vi.spyOn(Keyring.prototype, "credentials").mockImplementation(async function (
        this: Keyring,
        ...asked: Parameters<Keyring["credentials"]>
      ) {
        spy.mockRestore();
        await runInDurableObject(objectOf(domain), (object) => object.delete({ requestId: newRequestId(), by: "ada" }));
        if (isAnew) await configure(domain, {});
        return credentials.apply(this, asked);
      });
      const { status, body } = await register(domain, newGuid());
      expect([status, body.error]).toEqual([503, "TEMPORARILY_UNAVAILABLE"]);
      expect((await register(domain, newGuid())).status).toBe(201);
      await expectCopied(domain);
    },
  );

  it("are decided before it or after it: each is answered, and the two stores agree", async () => {
    for (let round = 0; round < 5; round++) {
      const { domain } = await lived();
      await operate("PATCH", `/${domain}`, { maxMembership: null });
      const joined = await Promise.all([
        ...Array.from({ length: 20 }, () => register(domain, newGuid())),
        scheduler.wait(round * 3).then(() => deleteDomain(domain)),
        ...Array.from({ length: 20 }, () => register(domain, newGuid())),
        reply("GET", `/domains/${domain}/keys`),
        operate("POST", `/${domain}/copy`),
      ]);
      for (const { status } of joined) expect([200, 201, 404, 503]).toContain(status);
      await register(domain, newGuid());
      await expectCopied(domain);
      const { keys, info, members } = await rows(domain);
      expect(info?.member_count).toBe(members.length);
      expect(keys.map(({ key_version }) => key_version)).toEqual([3]);
      await runAlarm(domain);
      await expectCopied(domain);
    }
  });
});
