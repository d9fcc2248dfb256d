import { beforeAll, describe, expect, it } from "vitest";
import { configure, deregister, newDomain, newGuid, register, stored } from "../support/worker/client.ts";
import { deviceId, operate, paged } from "../support/worker/operators.ts";

const NUMBERS = "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)";

/** The types of the changes of entries. */
const typesOf = (entries: readonly { changes: readonly { type: string }[] }[]) =>
  entries.map(({ changes }) => changes.map(({ type }) => type));

describe("a search in the log", () => {
  const [domain, tv, phone] = [newDomain(), newGuid(), newGuid()];
  let [tvId, phoneId] = ["", ""];
  beforeAll(async () => {
    await register(domain, tv);
    await register(domain, phone);
    await deregister(domain, tv);
    [tvId, phoneId] = [await deviceId(domain, tv), await deviceId(domain, phone)];
  });

  it("finds the entries with a change of a type, of a device, or of both at once", async () => {
    const joins = await paged(`/${domain}/log?type=device-joined`, "entries");
    expect(joins.map(({ revision }) => revision)).toEqual([2, 1]);
    const ofTv = await paged(`/${domain}/log?deviceId=${tvId}&order=oldest`, "entries");
    expect(typesOf(ofTv)).toEqual([["domain-created", "device-joined", "key-made"], ["device-left"]]);
    // Whole, with its hash: it can be checked.
    expect(ofTv).toEqual(
      (await paged(`/${domain}/log?order=oldest`, "entries")).filter(({ revision }) => revision !== 2),
    );
    expect(typesOf(await paged(`/${domain}/log?deviceId=${tvId}&type=device-left`, "entries"))).toEqual([
      ["device-left"],
    ]);
    // The entry has both, but no one change has.
    expect(await paged(`/${domain}/log?deviceId=${tvId}&type=key-made`, "entries")).toEqual([]);
    expect(await paged(`/${domain}/log?deviceId=${phoneId}&type=device-left`, "entries")).toEqual([]);
  });

  it("goes on page by page, by its own cursors alone", async () => {
    expect(await paged(`/${domain}/log?deviceId=${tvId}`, "entries", 1)).toHaveLength(2);
    const { nextCursor } = (await operate("GET", `/${domain}/log?deviceId=${tvId}&limit=1`)).body;
    for (const other of ["", `deviceId=${phoneId}&`, `deviceId=${tvId}&type=device-left&`]) {
      const { status, body } = await operate("GET", `/${domain}/log?${other}limit=1&cursor=${nextCursor}`);
      expect([status, body.errors?.[0].field], other).toEqual([400, "cursor"]);
    }
  });

  it.each(["type=", "type=Device", "type=a'b", "deviceId=short", `deviceId=${"x".repeat(44)}`])(
    "refuses %s",
    async (query) => {
      expect((await operate("GET", `/${domain}/log?${query}`)).status).toBe(400);
    },
  );

  it("looks at a bounded number of entries for a page", async () => {
    const large = newDomain();
    await register(large, tv);
    const entries = `insert into domain_log ${NUMBERS}
      select n, n, '[{"type":"rollover-required"}]', 'hash-' || n, '' from numbers where n > 1`;
    await stored(large, entries, 4_500);
    const path = `/${large}/log?type=device-joined`;
    const first = (await operate("GET", path)).body;
    expect(first).toMatchObject({ entries: [], nextCursor: expect.any(String) });
    expect((await paged(path, "entries")).map(({ revision }) => revision)).toEqual([1]);
    expect((await paged(`${path}&order=oldest`, "entries")).map(({ revision }) => revision)).toEqual([1]);
    expect(await paged(`/${large}/log?type=rollover-required&order=oldest`, "entries")).toHaveLength(4_499);
  });
});

describe("a member, by what the log calls it", () => {
  it("is found, however many there are", async () => {
    const [domain, last] = [newDomain(), "ffffffff-ffff-4fff-bfff-ffffffffffff"];
    await configure(domain, {});
    const members = `insert into domain_membership ${NUMBERS}
      select printf('%08x-6c1e-4f0a-9d3b-5a7e21c04f88', n), null, n, null, null, null, 0 from numbers`;
    await stored(domain, members, 10_000);
    await register(domain, last);
    const { status, body } = await operate("GET", `/${domain}/members/${await deviceId(domain, last)}`);
    expect([status, body.machineGuid]).toEqual([200, "ffffffff…"]);
    expect(body.deviceId).toBe(await deviceId(domain, last));
  });

  it("is not there once it has left, nor in another domain, and cannot be evicted so", async () => {
    const [domain, other, guid] = [newDomain(), newDomain(), newGuid()];
    await register(domain, guid);
    await register(other, guid);
    const id = await deviceId(domain, guid);
    expect((await operate("GET", `/${other}/members/${id}`)).status).toBe(404);
    expect((await operate("DELETE", `/${domain}/members/${id}`)).status).toBe(400);
    expect((await operate("GET", `/${domain}/members/${id}`)).status).toBe(200);
    await deregister(domain, guid);
    expect((await operate("GET", `/${domain}/members/${id}`)).status).toBe(404);
  });
});
