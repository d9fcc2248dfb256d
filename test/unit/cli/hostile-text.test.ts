import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CommandError, failureOf, reportOf } from "../../../src/cli/failures.ts";
import { run } from "../../../src/cli/program.ts";
import type { DeviceState } from "../../../src/client/device-state.ts";
import { FileStore } from "../../../src/client/file-store.ts";
import { DeviceDomain } from "../../../src/client/index.ts";

/** Sets the title, clears the screen, colours by a C1 control, deletes, turns the text around, and begins a line. */
const HOSTILE = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u007f\u202e\u2066\r\nJoined \u{e0041}";
const SHOWN = "\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\u007f\\u202e\\u2066\\u000d\\u000aJoined \\udb40\\udc41";
/** The characters that a terminal obeys, but for the end of a line. */
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

let server: Server;
let directory: string;
let url: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "hostile-text-"));
  const problem = JSON.stringify({ title: HOSTILE, status: 409, detail: HOSTILE, error: "DOM_LIMIT_REACHED" });
  server = createServer((_, response) => {
    response.writeHead(409, { "content-type": "application/problem+json" }).end(problem);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/domains/den`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

async function commandLine(...args: string[]): Promise<{ out: string; err: string }> {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const environment = { DEVICE_DOMAIN_HOME: directory, DEVICE_DOMAIN_SERVER: new URL(url).origin };
  await run({ arguments: args, environment, input: Readable.from([]), output, errors });
  output.end();
  errors.end();
  return { out: await text(output), err: await text(errors) };
}

describe("what a terminal would obey is shown", () => {
  it.each([
    ["a device", ["join"]],
    ["an auditor", ["audit", "--admin-token", "a-token"]],
    ["an operator", ["admin", "domains", "show"]],
  ])("in a server's refusal of %s", async (_, command) => {
    const { err } = await commandLine(...command, url);
    expect(err).toContain(SHOWN);
    expect(err).not.toMatch(OBEYED);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });

  it("in a refusal as JSON, which means the same", async () => {
    const { err } = await commandLine("--json", "join", url);
    expect(err).not.toMatch(OBEYED);
    expect(JSON.parse(err).message).toContain(HOSTILE);
  });

  it("in what a file says of the device, as a sentence and as JSON", async () => {
    const store = new FileStore(directory);
    await DeviceDomain.open(url, { store });
    const state = (await store.load(url)) as DeviceState;
    await store.save(url, { ...state, machineGuid: HOSTILE });
    const { out: sentence } = await commandLine("--domain", url, "status");
    // The beginning of what should be a machine GUID.
    expect(sentence).not.toMatch(OBEYED);
    expect(sentence).toBe(
      `The device ${SHOWN.slice(0, sentence.indexOf("…") - "The device ".length)}… has not joined.\n`,
    );
    const { out } = await commandLine("--domain", url, "--json", "status");
    expect(out).not.toMatch(OBEYED);
    expect(JSON.parse(out).machineGuid).toBe(HOSTILE);
  });

  it("in what is wrong with a log, one line for each", () => {
    const failure = failureOf(new CommandError("LOG_NOT_WHOLE", [`Device ${HOSTILE} joined.`, "Entry 2 is missing."]));
    expect(reportOf(failure, false)).toBe(`Device ${SHOWN} joined.\nEntry 2 is missing.\n`);
  });
});
