import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MockServer, startMockServer } from "../../scripts/mock/mock-server.ts";
import { DeviceDomain } from "../../src/client/index.ts";
import { encryptToDomain } from "../../src/licence/index.ts";

// Clients that share no line with ours, against a server that fails on demand.

const PYTHON = "/usr/bin/python3";
const python = ["/usr/lib/python3/dist-packages/jwcrypto", "/usr/lib/python3/dist-packages/requests"];
const c = ["/usr/bin/gcc", "/usr/bin/make", "/usr/include/jose/jwe.h", "/usr/include/jansson.h"];
const isThere = (paths: readonly string[]) => paths.every((path) => existsSync(path));

type Ended = Readonly<{ code: number | null; stdout: string; stderr: string }>;

let folder: string;
let mock: MockServer;
let names = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "other-languages-"));
  for (const name of ["device-python", "device-c"]) cpSync(`examples/${name}`, join(folder, name), { recursive: true });
  mock = await startMockServer(0);
});
afterAll(async () => {
  await mock?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function run(program: string, args: readonly string[], input = ""): Promise<Ended> {
  const child = spawn(program, args);
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Encrypts a secret to a domain, by the licence server in Python. */
function encrypt(url: string, secret: string, seen = "seen"): Promise<Ended> {
  return run(PYTHON, [join(folder, "device-python/licence_server.py"), join(folder, seen), url], secret);
}

type TestResponse = readonly [status: number, body: object];

/** A device's file. */
function keptOf(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Has a device leave at a server that gives these responses. */
async function leaveElsewhere(
  { ask, file }: { ask: (command: string) => Promise<Ended>; file: string },
  ...responses: TestResponse[]
) {
  const server = createServer((_, response) => {
    const [status, body] = responses.shift() as TestResponse;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const { url } = keptOf(file);
  const goTo = (to: unknown) => writeFileSync(file, JSON.stringify({ ...keptOf(file), url: to }));
  goTo(`http://127.0.0.1:${port}/domains/den`);
  const { code, stdout } = await ask("leave");
  goTo(url);
  server.close();
  const { status, credentials } = keptOf(file);
  return { code, stdout, status, credentials: Object.keys(credentials as object).length };
}

const newDomain = (script = "") => `${mock.url}/domains/other-${++names}${script}`;

async function memberCount(url: string): Promise<number> {
  const headers = { authorization: `Bearer ${mock.adminToken}` };
  const response = await fetch(url.replace("/domains/", "/admin/domains/"), { headers });
  return ((await response.json()) as { memberCount: number }).memberCount;
}

const DEVICES = [
  {
    language: "Python",
    needs: python,
    build: () => {},
    device: (file: string, [command = "", ...args]: readonly string[]) => {
      const [secret] = command === "open" ? args : [];
      const rest = command === "open" ? [] : args;
      return run(PYTHON, [join(folder, "device-python/device.py"), file, command, ...rest], secret);
    },
  },
  {
    language: "C",
    needs: c,
    build: () => {
      const { status, stderr } = spawnSync("make", ["-s", "-B"], { cwd: join(folder, "device-c"), encoding: "utf8" });
      if (status !== 0 || stderr !== "") throw new Error(stderr);
    },
    device: (file: string, args: readonly string[]) => run(join(folder, "device-c/device"), [file, ...args]),
  },
] as const;

describe.each(DEVICES)("a device in $language", ({ language, needs, build, device }) => {
  describe.skipIf(!isThere(needs))("that its libraries are there for", () => {
    beforeAll(build);

    /** A device that has joined: runs its commands, each in a process of its own. */
    async function joined(url: string, name: string) {
      const file = join(folder, `${language}-${names}-${name}.json`);
      const ask = (...args: string[]) => device(file, args);
      expect(await ask("join", url)).toMatchObject({ code: 0, stderr: "" });
      return { ask, file };
    }

    it("opens what is encrypted to its domain, of its time and of before", async () => {
      const url = newDomain();
      const [tv, phone] = [await joined(url, "tv"), await joined(url, "phone")];
      const first = await encryptToDomain(url, "the first episode");
      expect(await tv.ask("open", first)).toMatchObject({ code: 0, stdout: "the first episode" });

      expect(await phone.ask("leave")).toMatchObject({ code: 0, stdout: "left\n" });
      const second = await encryptToDomain(url, "the second episode");
      const early = await tv.ask("open", second);
      expect([early.code, early.stdout]).toEqual([1, ""]);
      expect(await tv.ask("renew")).toMatchObject({ code: 0, stdout: "renewed 2\n" });
      expect(await tv.ask("open", second)).toMatchObject({ code: 0, stdout: "the second episode" });

      const radio = await joined(url, "radio");
      expect(await radio.ask("open", first)).toMatchObject({ code: 0, stdout: "the first episode" });
      const late = await phone.ask("open", first);
      expect([late.code, late.stdout]).toEqual([1, ""]);
    });

    it("prints the whole of a secret, whatever bytes it has", async () => {
      const url = newDomain();
      const tv = await joined(url, "tv");
      const secret = "before\0after\n";
      expect(await tv.ask("open", await encryptToDomain(url, secret))).toMatchObject({ code: 0, stdout: secret });
    });

    it("signs: nobody else is served under its machine GUID", async () => {
      const url = newDomain();
      const { file } = await joined(url, "tv");
      const { machineGuid } = JSON.parse(readFileSync(file, "utf8"));
      const request = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ machineGuid }),
      };
      const response = await fetch(`${url}/register`, request);
      expect([response.status, await response.json()]).toMatchObject([403, { error: "DEVICE_PROOF_INVALID" }]);
    });

    it.each(["lost", "cut", "unreached", "503"])("leaves once, if the response is %s", async (effect) => {
      const url = newDomain(`~${effect}:deregister`);
      const tv = await joined(url, "tv");
      const other = await DeviceDomain.open(url);
      await other.join();
      expect(await tv.ask("leave")).toMatchObject({ code: 0, stdout: "left\n" });
      expect(await memberCount(url)).toBe(1);
    });

    it("finishes a leave in another process", async () => {
      const url = newDomain("~503:deregister:1-5");
      const tv = await joined(url, "tv");
      expect((await tv.ask("leave")).code).toBe(1);
      expect(await memberCount(url)).toBe(1);
      expect((await tv.ask("renew")).code).toBe(1);
      expect(await tv.ask("leave")).toMatchObject({ code: 0, stdout: "left\n" });
      expect(await memberCount(url)).toBe(0);
    });

    const refused = [401, { error: "DOM_AUTHENTICATION_REQUIRED" }] as const;
    it.each<[string, string, ...TestResponse[]]>([
      ["a member", "is refused", refused],
      ["in its leave", "is refused after a try without a response", [503, {}], refused],
      ["in its leave", "fails", [500, { error: "INTERNAL_ERROR" }]],
      ["in its leave", "is not said to be done", [200, { allowed: true, deregistered: false }]],
    ])("is still %s, with its keys, if a leave %s, and may leave later", async (still, _, ...responses) => {
      const status = still === "a member" ? "member" : "leaving";
      const url = newDomain();
      const tv = await joined(url, "tv");
      expect(await leaveElsewhere(tv, ...responses)).toEqual({ code: 1, stdout: "", status, credentials: 1 });
      // A leave that may have happened stays what it is, under its key, if it is refused the next time.
      const before = keptOf(tv.file);
      expect(await leaveElsewhere(tv, refused)).toMatchObject({ code: 1, status });
      if (status === "leaving") expect(keptOf(tv.file).leave).toBe(before.leave);
      expect(await tv.ask("leave")).toMatchObject({ code: 0, stdout: "left\n" });
      expect(await memberCount(url)).toBe(0);
    });

    it.each(["lost", "cut", "twice"])("joins, if the response is %s", async (effect) => {
      const url = newDomain(`~${effect}:register`);
      const tv = await joined(url, "tv");
      expect(await memberCount(url)).toBe(1);
      expect((await tv.ask("show")).stdout).toMatch(/^member/);
    });

    it.each([400, -400])("corrects its clock, which is off by %d seconds, by the signed time", async (seconds) => {
      const url = newDomain(`~clock:${seconds}`);
      await joined(url, "tv");
      expect(await memberCount(url)).toBe(1);
    });
  });
});

describe.skipIf(!isThere(python))("the licence server in Python", () => {
  it("encrypts to the key that a rollover makes, and members alone open it", async () => {
    const url = newDomain();
    const [tv, phone] = [await DeviceDomain.open(url), await DeviceDomain.open(url)];
    await tv.join();
    await phone.join();
    await phone.leave();
    const { code, stdout } = await encrypt(url, "the second episode");
    expect(code).toBe(0);
    await tv.renew();
    expect(new TextDecoder().decode(await tv.decrypt(stdout.trim()))).toBe("the second episode");
  });

  it("has what it saw in a whole file before it prints the JWE", async () => {
    const url = newDomain();
    const device = await DeviceDomain.open(url);
    await device.join();
    const seen = `seen-${names}`;
    expect(await encrypt(url, "one", `nowhere/${seen}`)).toMatchObject({ code: 1, stdout: "" });
    expect(await encrypt(url, "one", seen)).toMatchObject({ code: 0 });
    linkSync(join(folder, seen), join(folder, `${seen}-before`));
    await device.leave();
    await device.join();
    expect(await encrypt(url, "two", seen)).toMatchObject({ code: 0 });
    // Its file was replaced, and never half written.
    const [before, after] = [`${seen}-before`, seen].map((name) => readFileSync(join(folder, name), "utf8"));
    expect(JSON.parse(before as string)[url]).not.toEqual(JSON.parse(after as string)[url]);
    expect(readdirSync(folder).filter((name) => name.startsWith(seen))).toHaveLength(2);
  });

  it("refuses a key set that is older than one it saw", async () => {
    const url = newDomain("~replayed:keys:3-end");
    const [tv, phone] = [await DeviceDomain.open(url), await DeviceDomain.open(url)];
    await tv.join();
    await phone.join();
    expect(await encrypt(url, "one")).toMatchObject({ code: 0 });
    await phone.leave();
    await tv.renew();
    expect(await encrypt(url, "two")).toMatchObject({ code: 0 });
    expect(await encrypt(url, "three")).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/older/) });
    // One that has seen nothing yet cannot know.
    expect(await encrypt(url, "three", "new")).toMatchObject({ code: 0 });
  });
});
