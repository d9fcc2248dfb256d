import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { run } from "../../../src/cli/program.ts";

/** Runs `device-domain admin` against a server that has these responses. */
async function admin(args: string, ...responses: readonly object[]) {
  const seen: string[] = [];
  vi.stubGlobal("fetch", async (input: string, { method }: RequestInit) => {
    seen.push(`${method} ${new URL(input).pathname}`);
    return Response.json(responses[seen.length - 1]);
  });
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const environment = { DEVICE_DOMAIN_SERVER: "https://domains.example" };
  const code = await run({
    arguments: ["admin", ...args.split(" ")],
    environment,
    input: Readable.from([]),
    output,
    errors,
  });
  output.end();
  errors.end();
  return { code, seen, out: await text(output), err: await text(errors) };
}

afterEach(() => vi.unstubAllGlobals());

const failed = [{ domain: "c", error: "OVERLOADED" }];

describe("an eviction from all domains", () => {
  it("goes on as long as a request reaches further domains", async () => {
    const runs = [
      { evicted: ["a"], failed: [], more: true },
      { evicted: ["b"], failed: [], more: false },
    ];
    expect(await admin("devices evict guid", ...runs)).toEqual({
      ...{ code: 0, out: "The device is evicted from 2 domains.\n", err: "" },
      seen: ["DELETE /admin/devices/guid/domains", "DELETE /admin/devices/guid/domains"],
    });
  });

  it("ends where no further domain is reached, counts each once, and says that more are left", async () => {
    const run = { evicted: ["a", "b"], failed: [], more: true };
    const { code, out, err, seen } = await admin("devices evict guid", run, run, run);
    expect([out, seen.length]).toEqual(["The device is evicted from 2 domains.\n", 2]);
    expect([code, err]).toEqual([4, "It is a member of more domains: evict it again.\n"]);
    const asJson = await admin("--json devices evict guid", run, run);
    expect([asJson.code, JSON.parse(asJson.out)]).toEqual([4, { evicted: ["a", "b"], failed: [] }]);
  });

  it("says what failed, for people and for programs", async () => {
    const run = { evicted: ["a"], failed, more: false };
    expect(await admin("devices evict guid", run)).toMatchObject({
      ...{ code: 4, out: "The device is evicted from 1 domain.\n" },
      err: "Not done in c (OVERLOADED). Try again later.\n",
    });
    const { code, out, err } = await admin("--json devices evict guid", run);
    expect(code).toBe(4);
    expect(JSON.parse(out)).toEqual({ evicted: ["a"], failed });
    expect(JSON.parse(err)).toMatchObject({ error: "PARTLY_DONE" });
  });

  it("says what failed and that more are left", async () => {
    const runs = [
      { evicted: ["a"], failed, more: true },
      { evicted: [], failed, more: true },
    ];
    const { code, err } = await admin("devices evict guid", ...runs);
    expect([code, err.split("\n")]).toEqual([
      4,
      ["Not done in c (OVERLOADED). Try again later.", "It is a member of more domains: evict it again.", ""],
    ]);
  });
});

describe.each([
  ["devices ban guid --reason sold", "banned", "ban it again"],
  ["devices unban guid", "lifted", "lift the ban again"],
])("%s", (args, done, rest) => {
  const given = (domains: object) => admin(args, { domains: { [done]: ["a"], failed: [], more: false, ...domains } });

  it("says what failed, and that more are left", async () => {
    expect(await given({})).toMatchObject({ code: 0, err: "" });
    expect(await given({ failed })).toMatchObject({ code: 4, err: "Not done in c (OVERLOADED). Try again later.\n" });
    expect(await given({ more: true })).toMatchObject({ code: 4, err: expect.stringContaining(rest) });
  });
});

it("deletes no idle domains but those it names", async () => {
  const { code, seen, err } = await admin("domains delete-idle --since 2026-01-01T00:00:00Z --delete --limit 5");
  expect([code, seen, err]).toEqual([2, [], expect.stringContaining("--limit")]);
});

it("fails if the server is not healthy, and says how it is", async () => {
  const health = { status: "failing", database: "unmigrated", secrets: "ok", copy: null };
  expect(await admin("health", health)).toMatchObject({
    code: 4,
    out: expect.stringMatching(/^database {2}unmigrated$/m),
    err: "The server is not healthy.\n",
  });
  expect(await admin("health", { ...health, status: "ok" })).toMatchObject({ code: 0, err: "" });
});

it("says that lists do not show a change yet", async () => {
  expect((await admin("evict den guid", { evicted: true, copied: false })).out).toContain("The database follows");
  expect((await admin("evict den guid", { evicted: true, copied: true })).out).not.toContain("The database follows");
});

it("wraps keys anew until all are, or none is any more", async () => {
  const round = (rewrapped: number, done: boolean) => ({ rewrapped, done, currentKid: "new", locked: 0, kids: [] });
  expect(await admin("rewrap", round(200, false), round(5, true))).toMatchObject({
    ...{ code: 0, out: "205 keys were wrapped anew; all are wrapped with new.\n", err: "" },
  });
  const stuck = await admin("rewrap", round(3, false), round(0, false));
  expect(stuck).toMatchObject({
    ...{ code: 4, out: "3 keys were wrapped anew; some are not wrapped with new.\n" },
    err: "Keep the old key-encryption keys, and run this again: some domain keys still need them.\n",
  });
  expect(stuck.seen).toHaveLength(2);
});

it("says a log entry of every kind in one line, with nothing that a terminal obeys", async () => {
  const settings = { maxMembership: 1, authNamespace: "a\u001b[2J" };
  const entry = {
    revision: 4,
    committedAt: "2026-11-23T00:00:00.000Z",
    changes: [
      {
        type: "device-banned",
        by: "admin",
        deviceId: "d",
        reason: "line\nbreak",
        requestId: "r",
        deviceKeyThumbprint: "t",
      },
      {
        type: "settings-changed",
        by: "admin",
        requestId: "r",
        settings,
        previous: { ...settings, maxMembership: null },
      },
    ],
  };
  const page = { entries: [entry], nextCursor: null };
  const { out } = await admin("log den", page);
  expect(out.split("\n")[1]).toBe(
    "4         2026-11-23T00:00:00.000Z  device-banned by=admin deviceId=d reason=line\\u000abreak; settings-changed by=admin maxMembership=null->1",
  );
});

it.each([
  [
    "a list",
    "bans den --json",
    { bans: [{ reason: "\u009b1m\u202e" }], nextCursor: null },
    { reason: "\u009b1m\u202e" },
  ],
  ["an export", "export den", { reason: "\u009b1m\u202e" }, { reason: "\u009b1m\u202e" }],
  ["a response", "health --json", { status: "\u009b1m\u202e" }, { status: "\u009b1m\u202e" }],
])("prints %s as JSON that means the same, with nothing that a terminal obeys", async (_, args, response, meant) => {
  const { out } = await admin(args, response);
  expect(out.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(JSON.parse(out)).toEqual(meant);
});

it("reads no further page than it shows", async () => {
  const page = { domains: [{ domain: "a" }, { domain: "b" }], nextCursor: "next" };
  expect(await admin("domains list --limit 2 --json", page)).toMatchObject({
    ...{ code: 0, out: '{"domain":"a"}\n{"domain":"b"}\n', seen: ["GET /admin/domains"] },
  });
  expect(await admin("domains list --limit 0 --json", page)).toMatchObject({ code: 0, out: "", seen: [] });
});
