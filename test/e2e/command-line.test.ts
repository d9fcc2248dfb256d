import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../src/cli/program.ts";
import { encryptToDomain } from "../../src/licence/index.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

let server: TestServer;
let directory: string;
beforeAll(async () => {
  server = await startServer();
  directory = mkdtempSync(join(tmpdir(), "device-domain-"));
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs the command line as a device with a home of its own, and gives back what it printed. */
async function commandLine(home: string, args: string, { input = "", terminal = false, abortAfter = "" } = {}) {
  const output = Object.assign(new PassThrough(), { isTTY: terminal });
  const errors = new PassThrough();
  const interruption = new AbortController();
  const write = errors.write.bind(errors);
  errors.write = (chunk: unknown) => {
    if (abortAfter !== "" && String(chunk).includes(abortAfter)) interruption.abort();
    return write(chunk);
  };
  const environment = { DEVICE_DOMAIN_HOME: join(directory, home) };
  const running = run({
    arguments: args.split(" "),
    environment,
    input: Readable.from([input]),
    output,
    errors,
    signal: interruption.signal,
  });
  const code = await running;
  output.end();
  errors.end();
  return { code, out: (await buffer(output)).toString("utf8"), err: (await buffer(errors)).toString("utf8") };
}

/** Changes a domain as its operator. */
async function operate(method: string, path: string, body: object = {}): Promise<void> {
  const response = await fetch(`${server.url}/admin/domains/${path}`, {
    method,
    headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`The operator is refused: ${await response.text()}`);
}

const domainUrl = (name: string) => `${server.url}/domains/${name}`;

it("takes the home and the domain of a device as options", async () => {
  const home = join(directory, "elsewhere");
  const [one, other] = [domainUrl("options-1"), domainUrl("options-2")];
  await commandLine("nowhere", `--home ${home} join ${one}`);
  await commandLine("nowhere", `--home ${home} join ${other}`);
  expect((await commandLine("nowhere", `--home ${home} status`)).out).toContain(other);
  expect((await commandLine("nowhere", `--home ${home} --domain ${one} status`)).out).toContain(one);
  expect((await commandLine("nowhere", "status")).code).toBe(5);
});

describe("the domains of a home", () => {
  it("are listed, and one of them is spoken of", async () => {
    const [one, other] = [domainUrl("listed-1"), domainUrl("listed-2")];
    expect((await commandLine("many", "list")).out).toBe("No device is kept here.\n");
    for (const url of [one, other]) await commandLine("many", `join ${url}`);
    expect(
      (await commandLine("many", "list")).out
        .trim()
        .split("\n")
        .map((line) => line.trim())
        .sort(),
    ).toEqual([`* ${other} (member)`, `${one} (member)`].sort());
    expect((await commandLine("many", `use ${one}`)).code).toBe(0);
    expect((await commandLine("many", "status")).out).toContain(one);
    expect((await commandLine("many", `use ${domainUrl("never-joined")}`)).code).toBe(5);
  });

  it("are encrypted to, and their tokens verified", async () => {
    const url = domainUrl("both-sides");
    await commandLine("both", `join ${url}`);
    const jwe = (await commandLine("both", "encrypt -", { input: "a licence" })).out.trim();
    expect((await commandLine("both", "decrypt -", { input: jwe })).out).toBe("a licence");
    // On a terminal the prompt comes on a line of its own.
    expect((await commandLine("both", "decrypt -", { input: jwe, terminal: true })).out).toBe("a licence\n");
    const token = (await commandLine("both", "token")).out.trim();
    expect(JSON.parse((await commandLine("both", `verify ${token}`)).out)).toMatchObject({
      sub: "both-sides",
      key_version: 1,
    });
    expect((await commandLine("both", `verify ${token}x`)).code).not.toBe(0);
  });
});

describe("the command line itself", () => {
  it("has a version, and no help for what is no command", async () => {
    expect((await commandLine("new", "--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await commandLine("new", "nonsense --help")).toMatchObject({ code: 2, out: "" });
    expect((await commandLine("new", "join --help")).code).toBe(0);
  });

  it.each(["/etc/passwd", "/proc/no-such-folder", "/dev/null/home"])(
    "says what is wrong with the home %s",
    async (home) => {
      const { code, err } = await commandLine("new", `--home ${home} join ${domainUrl("homeless")}`);
      expect(code).toBe(2);
      expect(err).toMatch(/cannot be used \(E[A-Z]+\)\. Name a folder of your own with --home\.\n$/);
    },
  );

  it.each(["--help", "join --help", "completion bash"])(
    "ends quietly where its reader has enough: %s",
    { timeout: 60_000 },
    async (args) => {
      const child = spawn(process.execPath, ["src/cli/main.ts", ...args.split(" ")]);
      child.stdout.destroy();
      const [errors, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
    },
  );

  it.each(["encrypt -", "decrypt -"])(
    "ends at the first Ctrl-C while its input is open: %s",
    { timeout: 60_000 },
    async (args) => {
      const home = join(directory, "interrupted");
      await commandLine("interrupted", `join ${domainUrl("interrupted")}`);
      const child = spawn(process.execPath, ["src/cli/main.ts", "--home", home, ...args.split(" ")]);
      // It says that it waits.
      await once(child.stderr, "data");
      child.kill("SIGINT");
      expect(await once(child, "exit")).toEqual([130, null]);
    },
  );

  it("tells how it ended where nobody reads what went wrong", { timeout: 60_000 }, async () => {
    const child = spawn(process.execPath, ["src/cli/main.ts", "frobnicate"]);
    child.stderr.destroy();
    expect(await once(child, "exit")).toEqual([2, null]);
  });

  it("says that it waits, where nobody answers", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    const waiting = commandLine("patient", `join http://127.0.0.1:${port}/domains/den`, {
      abortAfter: "Waiting for the server's response…\n",
    });
    expect((await waiting).err).toContain("Waiting for the server's response…");
    silent.close();
    silent.closeAllConnections();
  });
});

describe("a device's life at the command line", () => {
  it("joins, renews, opens, previews and leaves", async () => {
    const url = domainUrl("den");
    expect(await commandLine("tv", `join ${url}`)).toEqual({
      code: 0,
      out: `Joined ${url}, at key version 1.\n`,
      err: "",
    });
    expect((await commandLine("tv", `join ${url}`)).out).toBe(`Already a member of ${url}, at key version 1.\n`);
    expect((await commandLine("tv", "status")).out).toMatch(
      /^The device [0-9a-f]{8}… is a member of .*, at key version 1, its token good until 20.*Z\.\n$/,
    );

    await commandLine("phone", `join ${url}`);
    expect((await commandLine("phone", "leave --preview")).out).toContain("It is still a member.");
    expect((await commandLine("phone", "leave")).out).toBe(`Left ${url}. Its keys are erased here.\n`);
    expect((await commandLine("tv", "renew")).out).toContain("the newest key is now version 2");

    const secret = join(directory, "secret.jwe");
    writeFileSync(secret, await encryptToDomain(url, "a licence"));
    expect(await commandLine("tv", `decrypt ${secret}`)).toEqual({ code: 0, out: "a licence", err: "" });
    const input = await encryptToDomain(url, "from a pipe");
    expect((await commandLine("tv", "decrypt -", { input })).out).toBe("from a pipe");
    // A secret is passed through as it is, unlike all else that comes from elsewhere.
    const bytes = await encryptToDomain(url, "\u001b[1m\u009b\r\n");
    expect((await commandLine("tv", "decrypt -", { input: bytes })).out).toBe("\u001b[1m\u009b\r\n");
    expect((await commandLine("tv", "token")).out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  });

  it("opens what was encrypted before it joined, unless the key is retired", async () => {
    const url = domainUrl("years");
    await commandLine("first", `join ${url}`);
    const input = await encryptToDomain(url, "an old licence");
    await operate("POST", "years/rollover", { when: "now" });
    await commandLine("late", `join ${url}`);
    expect((await commandLine("late", "token --json")).out).toContain('"keyVersion":2');
    expect(await commandLine("late", "decrypt -", { input })).toEqual({ code: 0, out: "an old licence", err: "" });

    await operate("PUT", "years/retired-keys", { olderThanDays: 0 });
    await commandLine("later", `join ${url}`);
    const refused = await commandLine("later", "decrypt -", { input });
    expect(refused).toMatchObject({ code: 5, out: "" });
    expect(refused.err).toContain("Ask for a new licence: the key of this one is retired.");
    expect((await commandLine("late", "decrypt -", { input })).out).toBe("an old licence");
  });

  it("tells a device that it was removed, and whether it is back", async () => {
    const url = domainUrl("evictions");
    const { machineGuid } = JSON.parse((await commandLine("lost", `--json join ${url}`)).out);
    await operate("DELETE", `evictions/members/${machineGuid}`);
    const back = await commandLine("lost", "renew");
    expect(back.out).toBe(`Had been removed from ${url}, and joined again: the newest key is now version 2.\n`);
    expect(JSON.parse((await commandLine("lost", "renew --json")).out)).toMatchObject({ newMember: false });

    await operate("PUT", `evictions/bans/${machineGuid}`, { reason: "lost" });
    expect(await commandLine("lost", "renew")).toMatchObject({ code: 3, out: "" });
    const { out } = await commandLine("lost", "status");
    expect(out).toContain(`was removed from ${url}; try again with: device-domain join ${url}.`);
  });

  it("says the same as JSON", async () => {
    const url = domainUrl("json");
    const joined = JSON.parse((await commandLine("json", `--json join ${url}`)).out);
    expect(joined).toEqual({ domain: url, machineGuid: expect.any(String), newMember: true, keyVersion: 1 });
    const { machineGuid } = joined;
    expect(JSON.parse((await commandLine("json", "status --json")).out)).toEqual({
      domain: url,
      machineGuid,
      status: "member",
      keyVersion: 1,
      expiresAt: expect.stringMatching(/^20.*Z$/),
    });
    expect(JSON.parse((await commandLine("json", "token --json")).out)).toMatchObject({ keyVersion: 1 });
    expect(JSON.parse((await commandLine("json", "leave --json --preview")).out)).toEqual({
      domain: url,
      preview: true,
      left: false,
    });
    expect(JSON.parse((await commandLine("json", "leave --json")).out).left).toBe(true);
    const failed = await commandLine("json", "renew --json");
    expect(JSON.parse(failed.err)).toMatchObject({ error: "NOT_A_MEMBER" });
    expect(failed.out).toBe("");
  });

  it("keeps what it knows where nobody else reads it", async () => {
    await commandLine("private", `join ${domainUrl("private")}`);
    expect(statSync(join(directory, "private")).mode & 0o777).toBe(0o700);
  });

  it("is bold on a terminal, and plain in a pipe", async () => {
    const url = domainUrl("bold");
    expect((await commandLine("bold", `join ${url}`, { terminal: true })).out).toContain(`\u001b[1m${url}\u001b[22m`);
    expect((await commandLine("bold", "status")).out).not.toContain("\u001b");
  });
});

describe("the exit code and the sentence of", () => {
  it.each([
    ["an unknown command", "frobnicate", 2, "unknown command"],
    ["a missing argument", "join", 2, "missing required argument"],
    ["a URL that is none", "join den", 2, "The URL must begin with https://"],
    ["a URL that is no domain's", "join https://example.com/den", 2, "must be of the form https://host/domains/name."],
    ["plain http to elsewhere", "join http://example.com/domains/den", 2, "must begin with https://"],
    ["a file that is not there", "decrypt nothing.jwe", 2, "nothing.jwe cannot be read"],
    ["a device without a domain", "renew", 5, "device-domain join URL"],
    ["a status without a domain", "status", 5, "device-domain join URL"],
  ])("%s", async (_, args, code, sentence) => {
    const answer = await commandLine("nobody", args);
    expect(answer.code).toBe(code);
    expect(answer.err).toContain(sentence);
    expect(answer.err.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
    expect(answer.out).toBe("");
  });

  it("a refusal, with the remedy", async () => {
    const url = domainUrl("closed");
    await operate("PUT", "closed", { authenticationRequired: true });
    const answer = await commandLine("closed", `join ${url}`);
    expect(answer.code).toBe(3);
    expect(answer.err).toBe(
      "The domain requires a valid auth token. Give it a valid auth token with --auth-token, or in DEVICE_DOMAIN_AUTH_TOKEN.\n",
    );
  });

  it("a device that has left, in words of the command line", async () => {
    await commandLine("left", `join ${domainUrl("left")}`);
    await commandLine("left", "leave");
    const answer = await commandLine("left", "renew");
    expect(answer.code).toBe(5);
    expect(answer.err).toBe("The device is not a member of the domain. Join first: device-domain join URL.\n");
  });

  it("a token that does not verify", async () => {
    await commandLine("verifier", `join ${domainUrl("verified")}`);
    const answer = await commandLine("verifier", "verify abc");
    expect(answer.err).toBe("The domain token is malformed, or its signature does not verify.\n");
  });

  it("help, which is no failure", async () => {
    for (const args of ["--help", "join --help", "leave --help"]) {
      const { code, out, err } = await commandLine("help", args);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toContain("Usage: device-domain");
      expect(out).toContain("--json");
    }
  });
});
