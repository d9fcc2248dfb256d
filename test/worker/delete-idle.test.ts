import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { configure, deregister, newDomain, newGuid, register, reply, rows, stored } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { deletionInDatabase, expectForgotten } from "../support/worker/deletions.ts";
import { evict, execute, joins, operators } from "../support/worker/objects.ts";
import { asOperator, operate } from "../support/worker/operators.ts";

const DAY = 86_400_000;
const YEAR_AGO = Date.now() - 365 * DAY;
const iso = (time: number) => new Date(time).toISOString();

/** Asks for the deletion of domains that are idle. */
const deleteIdle = (body: object) => operate("POST", "/delete-idle", { idleSince: iso(YEAR_AGO), ...body });

/** A domain in which nothing has happened since a time, members included, in both stores. */
async function idleSince(time: number, members: number, domain = newDomain()): Promise<string> {
  await configure(domain, {});
  for (let count = 0; count < members; count++) await register(domain, newGuid());
  await expectCopied(domain);
  await stored(domain, "update domain_server_info set updated_at = ?", time);
  await stored(domain, "update domain_membership set last_renewed_on = ?", Math.floor(time / DAY));
  await evict(domain);
  await env.DB.prepare("update domain_server_info set updated_at = ? where domain = ?").bind(time, domain).run();
  return domain;
}

/** Every domain that is found, page by page. */
async function found(body: object, limit = 100): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await deleteIdle({ ...body, limit, ...(cursor === null ? {} : { cursor }) });
    if (page.status !== 200) throw new Error(JSON.stringify(page.body));
    names.push(...page.body.domains);
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  return names;
}

describe("domains that are idle", () => {
  it("are named by a dry run, which is the default, and deleted by the same request without it", async () => {
    const empty = await idleSince(YEAR_AGO - DAY, 0);
    const small = await idleSince(YEAR_AGO - DAY, 2);
    const young = await idleSince(YEAR_AGO + DAY, 0);
    const { status, body } = await deleteIdle({});
    expect([status, body.dryRun]).toEqual([200, true]);
    expect(await found({})).toContain(empty);
    const two = await found({ maxMembers: 2, dryRun: true });
    expect(two).toEqual(expect.arrayContaining([empty, small]));
    expect(two).not.toContain(young);
    for (const domain of [empty, small, young]) expect((await rows(domain)).info).toBeDefined();
    const deleted = await found({ maxMembers: 2, dryRun: false });
    expect(deleted.sort()).toEqual(two.sort());
    for (const domain of [empty, small]) {
      await expectForgotten(domain);
      expect(await deletionInDatabase(domain)).toMatchObject({ deleted_by: "admin-token" });
      expect((await reply("GET", `/domains/${domain}`)).status).toBe(404);
    }
    expect((await rows(young)).info).toBeDefined();
    expect(await found({ maxMembers: 2, dryRun: false })).toEqual([]);
  });

  it("are paged by name, each once, while they go", async () => {
    const all = await Promise.all(Array.from({ length: 7 }, () => idleSince(YEAR_AGO - DAY, 0)));
    expect(await found({}, 2)).toEqual(all.toSorted());
    expect(await found({ dryRun: false }, 3)).toEqual(all.toSorted());
    expect(await found({}, 2)).toEqual([]);
  });

  it("are found behind very many that are not", async () => {
    const [first, last] = [newDomain(), `zz-${newDomain()}`];
    await env.DB.prepare(
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 10500)
        insert into domain_server_info (domain, updated_at) select ? || printf('.%08x', n), ? from numbers`,
    )
      .bind(first, Date.now())
      .run();
    await idleSince(YEAR_AGO - DAY, 0, last);
    const { body } = await deleteIdle({});
    expect(body.domains).toEqual([]);
    expect(body.nextCursor).not.toBeNull();
    expect(await found({})).toEqual([last]);
    await env.DB.prepare("delete from domain_server_info where domain like ?").bind(`${first}.%`).run();
    await found({ dryRun: false });
  });

  it.each<[string, (domain: string) => Promise<unknown>]>([
    [
      "a member has renewed",
      async (domain) => {
        const [member] = (await rows(domain)).members;
        expect((await register(domain, String(member?.machine_guid))).status).toBe(200);
      },
    ],
    [
      "something has changed that D1 does not know",
      (domain) => execute(domain, operators({ type: "settings", mode: "merge", patch: { maxMembership: 7 } })),
    ],
    [
      "a member more has joined that D1 does not know",
      async (domain) => {
        await stored(domain, "update domain_server_info set member_count = 2");
        await evict(domain);
      },
    ],
    ["it was deleted, though D1 does not know", (domain) => operate("DELETE", `/${domain}?confirm=${domain}`)],
  ])("are not, by their objects' word, if %s", async (_, happens) => {
    const domain = await idleSince(YEAR_AGO - DAY, 1);
    expect(await found({ maxMembers: 1 })).toEqual([domain]);
    await happens(domain);
    const stale =
      "insert or replace into domain_server_info (domain, member_count, created_at, updated_at) values (?, 1, 1, 1)";
    await env.DB.prepare(stale).bind(domain).run();
    for (const dryRun of [true, false]) expect(await found({ maxMembers: 1, dryRun })).toEqual([]);
    await operate("DELETE", `/${domain}?confirm=${domain}`);
    await env.DB.prepare("delete from domain_server_info where domain = ?").bind(domain).run();
  });

  it("stay if a member renewed on the very day, which may have been later", async () => {
    const domain = await idleSince(YEAR_AGO - 1, 1);
    await stored(domain, "update domain_membership set last_renewed_on = ?", Math.floor(YEAR_AGO / DAY));
    expect(await found({ maxMembers: 1 })).toEqual([]);
    await operate("DELETE", `/${domain}?confirm=${domain}`);
  });

  it("do not keep each other: one that fails is left out, and found the next time", async () => {
    const [failing, well] = [await idleSince(YEAR_AGO - DAY, 0), await idleSince(YEAR_AGO - DAY, 0)];
    const { delete: original } = DomainObject.prototype;
    const spy = vi.spyOn(DomainObject.prototype, "delete").mockImplementation(async function (
      this: DomainObject,
      ...request: Parameters<DomainObject["delete"]>
    ) {
      const { name } = (this as unknown as { ctx: DurableObjectState }).ctx.id;
      if (name === failing) throw new Error("no");
      return original.apply(this, request);
    });
    expect(await found({ dryRun: false })).toEqual([well]);
    spy.mockRestore();
    expect(await found({ dryRun: false })).toEqual([failing]);
  });
});

describe("a deletion of idle domains", () => {
  it.each([
    [{ idleSince: undefined }, "idleSince"],
    [{ idleSince: "2025" }, "idleSince"],
    [{ idleSince: "2025-01-01T00:00:00" }, "idleSince"],
    [{ idleSince: iso(Date.now() + DAY) }, "idleSince"],
    [{ maxMembers: -1 }, "maxMembers"],
    [{ maxMembers: 1.5 }, "maxMembers"],
    [{ dryRun: "false" }, "dryRun"],
    [{ limit: 0 }, "limit"],
    [{ limit: 101 }, "limit"],
    [{ cursor: "x" }, "cursor"],
    [{ everything: true }, "everything"],
  ])("with %j is refused, and names the member", async (body, field) => {
    const refused = await deleteIdle(body);
    expect([refused.status, refused.body.errors.map((error: { field: string }) => error.field)]).toEqual([
      400,
      [field],
    ]);
  });

  it("takes the cursor of its own list alone", async () => {
    for (let count = 0; count < 2; count++) await idleSince(YEAR_AGO - DAY, 0);
    const { nextCursor } = (await deleteIdle({ limit: 1 })).body;
    expect((await deleteIdle({ limit: 1, cursor: nextCursor })).status).toBe(200);
    expect((await deleteIdle({ limit: 1, cursor: nextCursor, maxMembers: 3 })).status).toBe(400);
    await found({ dryRun: false });
  });

  it("names who deleted them", async () => {
    const domain = await idleSince(YEAR_AGO - DAY, 0);
    const body = { idleSince: iso(YEAR_AGO), dryRun: false };
    await operate("POST", "/delete-idle", body, await asOperator("domains:write"));
    expect(await deletionInDatabase(domain)).toMatchObject({ deleted_by: "https://office.example#someone" });
  });
});

describe("a domain called delete-idle", () => {
  it("is reached by its own paths", async () => {
    const [domain, guid] = ["delete-idle", newGuid()];
    expect((await configure(domain, { maxMembership: 2 })).status).toBe(201);
    expect((await register(domain, guid)).status).toBe(201);
    expect((await operate("PATCH", `/${domain}`, { maxMembership: 3 })).body.maxMembership).toBe(3);
    expect((await operate("GET", `/${domain}`)).body).toMatchObject({ domain, memberCount: 1 });
    expect((await operate("POST", `/${domain}/rollover`, { when: "now" })).body.keyVersion).toBe(2);
    expect((await deregister(domain, guid)).status).toBe(200);
    expect((await execute(domain, joins(guid))).granted).toBe(true);
    expect((await operate("DELETE", `/${domain}?confirm=${domain}`)).body.deleted).toBe(true);
  });
});
