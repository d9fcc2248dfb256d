import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../src/cli/program.ts";
import { DomainOperator, OperatorError } from "../../src/operator/index.ts";
import { audit } from "../support/node/audit.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

let server: TestServer;
let directory: string;
beforeAll(async () => {
  server = await startServer();
  directory = mkdtempSync(join(tmpdir(), "admin-commands-"));
});
afterAll(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const environment = () => ({ DEVICE_DOMAIN_SERVER: server.url, DEVICE_DOMAIN_ADMIN_TOKEN: server.adminToken });

/** Runs a command line in an environment. */
async function commandLine(args: readonly string[], env: Record<string, string> = environment()) {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const code = await run({ arguments: args, environment: env, input: Readable.from([]), output, errors });
  output.end();
  errors.end();
  return { code, out: await text(output), err: await text(errors) };
}

/** Runs `device-domain admin` as an operator of the server. @returns what it printed */
async function admin(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await commandLine(["admin", ...args]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out;
}

async function json<Answer = Record<string, unknown>>(...args: readonly string[]): Promise<Answer> {
  return JSON.parse(await admin("--json", ...args)) as Answer;
}

async function jsonLines(...args: readonly string[]): Promise<Record<string, unknown>[]> {
  const printed = await admin(...args, "--json");
  return printed.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

async function joined(domain: string, machineGuid: string = randomUUID()): Promise<string> {
  const response = await fetch(`${server.url}/domains/${domain}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid }),
  });
  expect(response.status).toBe(201);
  return machineGuid;
}

const short = (machineGuid: string) => `${machineGuid.slice(0, 8)}…`;
const cellsOf = (table: string) =>
  table
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));

describe("domains", () => {
  it("are created, listed, shown, changed and deleted", async () => {
    const created = await admin("domains", "set", "life", "--replace", "maxMembership=5", "deviceKeyRequired=false");
    expect(created).toMatch(/^maxMembership {2,}5$/m);
    await admin("domains", "set", "life-2", "--replace");

    expect(cellsOf(await admin("domains", "list", "--prefix", "life"))).toEqual([
      ["DOMAIN", "MEMBERS", "MAXIMUM", "KEY", "ROLLOVER", "CHANGED"],
      ["life", "0", "5", "0", "required", expect.stringMatching(/^20\d\d-/)],
      ["life-2", "0", "-", "0", "required", expect.stringMatching(/^20\d\d-/)],
    ]);
    expect((await jsonLines("domains", "list", "--prefix", "life", "--limit", "1")).map((row) => row.domain)).toEqual([
      "life",
    ]);

    await admin("domains", "set", "life", "authenticationRequired=true", "authNamespace=tv", "maxMembership=null");
    expect(await json("domains", "show", "life")).toMatchObject({
      ...{ authenticationRequired: true, authNamespace: "tv", maxMembership: null },
    });
    expect(await admin("domains", "show", "life")).toMatch(/^authNamespace {2,}tv$/m);

    const wrong = await commandLine(["admin", "domains", "delete", "life", "--confirm", "live"]);
    expect(wrong.code).toBe(3);
    expect(wrong.err).toContain("must be the name of the domain");
    expect(await json("domains", "delete", "life", "--confirm", "life")).toMatchObject({ deleted: true });
    expect((await commandLine(["admin", "domains", "show", "life"])).code).toBe(3);
    expect((await jsonLines("domains", "deletions")).map((row) => row.domain)).toContain("life");
  });

  it("that nobody uses are named, and deleted only if that is asked for", async () => {
    await admin("domains", "set", "idle", "--replace");
    const { updatedAt } = await json("domains", "show", "idle");
    // It is idle from the moment after its making on: as early as the server's clock allows.
    const since = new Date(Date.parse(String(updatedAt)) + 1).toISOString();
    const named = async (...options: string[]) =>
      (await jsonLines("domains", "delete-idle", "--since", since, ...options)) as unknown[];
    expect(await named()).toContain("idle");
    expect((await commandLine(["admin", "domains", "show", "idle"])).code).toBe(0);
    expect(await named("--delete")).toContain("idle");
    expect((await commandLine(["admin", "domains", "show", "idle"])).code).toBe(3);
  });
});

describe("devices", () => {
  it("are listed, evicted, banned and let in again", async () => {
    const [one, two, three] = [await joined("fleet"), await joined("fleet"), await joined("fleet")];
    const members = await jsonLines("members", "fleet");
    expect(members.map((row) => row.machineGuid).sort()).toEqual([one, two, three].map(short).sort());
    const [headings, ...rows] = cellsOf(await admin("members", "fleet"));
    expect(headings).toEqual(["DEVICE", "JOINED", "RENEWED", "NAME", "SIGNS", "DEVICE ID", "HANDLE"]);
    expect(rows).toHaveLength(3);

    // By the handle of a table's row.
    const handle = rows.find(([device]) => device === short(one))?.at(-1) as string;
    expect(await admin("evict", "fleet", handle)).toBe("The device is evicted from fleet.\n");
    expect(await admin("ban", "fleet", two, "--reason", "was sold")).toBe("The device is banned from fleet.\n");
    expect((await jsonLines("members", "fleet")).map((row) => row.machineGuid)).toEqual([short(three)]);
    expect(await jsonLines("bans", "fleet")).toMatchObject([{ machineGuid: short(two), reason: "was sold" }]);
    expect(cellsOf(await admin("bans", "fleet"))[1]?.slice(2, 4)).toEqual(["admin-token", "was sold"]);

    expect(await admin("unban", "fleet", two)).toBe("The device may join fleet again.\n");
    expect(await jsonLines("bans", "fleet")).toEqual([]);
    const gone = await commandLine(["admin", "evict", "fleet", one]);
    expect(gone).toMatchObject({ code: 3, out: "" });
    expect(gone.err).toContain("Check the device: device-domain admin members DOMAIN");
  });
});

describe("a device in all its domains", () => {
  it("is found, evicted, banned and let in again", async () => {
    const guid = await joined("across-1");
    await joined("across-2", guid);
    await joined("across-3", guid);
    const untilListed = async (count: number) => {
      for (;;) {
        const domains = await jsonLines("devices", "domains", guid);
        if (domains.length === count) return domains.map(({ domain }) => domain);
      }
    };
    // The database has a join a moment after it.
    expect(await untilListed(3)).toEqual(["across-1", "across-2", "across-3"]);
    expect(cellsOf(await admin("devices", "domains", guid)).map(([name]) => name)).toEqual([
      ...["DOMAIN", "across-1", "across-2", "across-3"],
    ]);
    expect(await json("devices", "show", guid)).toEqual({
      ...{ machineGuid: short(guid), handle: expect.any(String), ban: null },
    });

    expect(await admin("devices", "evict", guid)).toBe("The device is evicted from 3 domains.\n");
    await joined("across-1", guid);
    await untilListed(1);
    const banned = await admin("devices", "ban", guid, "--reason", "was stolen");
    expect(banned).toBe("The device is banned, and evicted from 1 domain.\n");
    expect(await admin("devices", "show", guid)).toContain("was stolen");
    expect(await jsonLines("devices", "bans")).toMatchObject([{ machineGuid: short(guid), reason: "was stolen" }]);
    const handle = cellsOf(await admin("devices", "bans"))[1]?.at(-1) as string;
    expect(await admin("devices", "unban", handle)).toBe("The device may join again.\n");
    expect(await jsonLines("devices", "bans")).toEqual([]);
  });
});

describe("keys", () => {
  it("are rolled over, retired, brought back and listed", async () => {
    await joined("keys");
    expect(await admin("rollover", "keys")).toBe("The newest key is version 2.\n");
    expect(await admin("rollover", "keys", "--later")).toBe("The next registration makes a new key.\n");
    expect(await admin("retire", "keys", "--up-to", "1")).toBe("Keys up to version 1 are retired.\n");
    expect(await admin("retire", "keys", "--up-to", "0")).toBe("No key is retired.\n");
    expect(await json("retire", "keys", "--older-than-days", "0")).toMatchObject({ retiredUpTo: 1 });
    expect((await jsonLines("keys", "keys")).map((row) => row.keyVersion)).toEqual([2, 1]);
    expect(cellsOf(await admin("keys", "keys")).map(([version]) => version)).toEqual(["KEY", "2", "1"]);
    expect(await admin("rewrap")).toContain("all are wrapped with");
  });
});

describe("records", () => {
  it("show what happened, and export the log as an audit takes it", async () => {
    const one = await joined("records");
    await admin("domains", "set", "records", "maxMembership=7");
    await admin("evict", "records", one);
    const log = cellsOf(await admin("log", "records"));
    expect(log.map(([revision]) => revision)).toEqual(["REVISION", "3", "2", "1"]);
    expect(log[1]?.[2]).toMatch(/^device-evicted by=admin-token deviceId=\S+$/);
    expect(log[2]?.[2]).toBe("settings-changed by=admin-token maxMembership=null->7");
    expect(log[3]?.[2]).toMatch(/^domain-created; (device-joined deviceId=\S+; key-made|key-made.*; device-joined)/);
    expect(cellsOf(await admin("log", "records", "--oldest", "--limit", "1"))[1]?.[0]).toBe("1");

    const file = join(directory, "records.jsonl");
    writeFileSync(file, await admin("export", "records"));
    expect(await audit(server, "records", "--archive", file)).toMatchObject({ code: 0, found: { entries: 3 } });
    expect((await admin("export", "records", "--after", "2")).trimEnd().split("\n")).toHaveLength(1);

    expect(cellsOf(await admin("activity", "records"))[1]?.slice(1)).toEqual(["1", "1"]);
    expect(cellsOf(await admin("refusals", "records"))[0]).toEqual(["HOUR", "ERROR", "COUNT"]);
    expect(await admin("copy", "records")).toBe("The database has revision 3 of records, the newest.\n");
    expect(await admin("health")).toMatch(/^status {4}ok$/m);
  });
});

describe("the exit code and the sentence of", () => {
  const show = ["admin", "domains", "show", "den"];
  it.each<[string, readonly string[], (url: string) => Record<string, string>, number, string]>([
    ["no server", show, () => ({}), 2, "give its URL with --server, or in DEVICE_DOMAIN_SERVER"],
    ["a server's URL that is none", show, () => ({ DEVICE_DOMAIN_SERVER: "den" }), 2, "https://domains.example.com"],
    [
      "no token",
      show,
      (url) => ({ DEVICE_DOMAIN_SERVER: url }),
      3,
      "with --admin-token, or in DEVICE_DOMAIN_ADMIN_TOKEN",
    ],
    ["an unknown domain", [...show.slice(0, 3), "nobody"], environment, 3, "device-domain admin domains list"],
    ["an unknown setting", ["admin", "domains", "set", "den", "size=5", "--replace"], environment, 3, "size"],
    ["a setting without a value", ["admin", "domains", "set", "den", "size"], environment, 2, "like maxMembership=5"],
    ["a number that is none", ["admin", "retire", "den", "--up-to", "x"], environment, 2, "must be a whole number"],
    ["a retirement of what", ["admin", "retire", "den"], environment, 2, "either --up-to or --older-than-days"],
    ["a deletion not confirmed", ["admin", "domains", "delete", "den"], environment, 2, "--confirm"],
    ["a ban without a reason", ["admin", "ban", "den", "x"], environment, 2, "--reason"],
    ["a device without a name", ["admin", "evict", "den", ""], environment, 2, "names nothing"],
  ])("%s", async (_, args, env, code, sentence) => {
    const answer = await commandLine(args, env(server.url));
    expect(answer).toMatchObject({ code, out: "" });
    expect(answer.err).toContain(sentence);
    expect(answer.err.trimEnd().split("\n")).toHaveLength(1);
  });

  it("a refusal, for programs", async () => {
    const { code, err } = await commandLine(["admin", "--json", "domains", "show", "nobody"]);
    expect(code).toBe(3);
    expect(JSON.parse(err)).toMatchObject({ error: "DOMAIN_NOT_FOUND" });
  });

  it("options, which come before the environment", async () => {
    const wrong = { DEVICE_DOMAIN_SERVER: "http://127.0.0.1:1", DEVICE_DOMAIN_ADMIN_TOKEN: "wrong" };
    const given = ["--server", server.url, "--admin-token", server.adminToken];
    expect((await commandLine(["admin", ...given, "domains", "list"], wrong)).code).toBe(0);
    expect((await commandLine(["admin", "domains", "list", ...given], wrong)).code).toBe(0);
  });
});

describe("the library", () => {
  it("reads lists of many pages, and what the server refuses", async () => {
    const operator = new DomainOperator(server.url, { token: server.adminToken });
    const names = Array.from({ length: 5 }, (_, index) => `page-${index}`);
    for (const name of names) await operator.domain(name).replaceSettings({});
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await operator.domains({ prefix: "page-" }).page(cursor, { limit: 2 });
      found.push(...page.items.map(({ domain }) => domain));
      cursor = page.nextCursor;
    }
    expect(found).toEqual(names);

    const refusal: unknown = await operator
      .domain("nobody")
      .overview()
      .catch((thrown) => thrown);
    expect(refusal).toBeInstanceOf(OperatorError);
    expect(refusal).toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404, requestId: expect.stringMatching(/./) });
  });
});
