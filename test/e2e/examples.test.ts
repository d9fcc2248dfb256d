import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { DeviceDomain } from "../../src/client/index.ts";
import { installExample, packInto, type RunningExample, startExample, typeErrors } from "../support/node/examples.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const run = promisify(execFile);

let folder: string;
let licenceServer: string;
let nodeDevice: string;
let server: TestServer;
let licences: RunningExample;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "examples-"));
  await packInto(folder);
  [licenceServer, nodeDevice] = [
    await installExample("licence-server", folder),
    await installExample("node-device", folder),
  ];
  server = await startServer();
  licences = await startLicences();
});
afterAll(async () => {
  await licences?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startLicences(): Promise<RunningExample> {
  const port = await freePort();
  const address = ["--ip", "127.0.0.1", "--port", `${port}`, "--inspector-port", "0"];
  return startExample(licenceServer, port, [...address, "--var", `DOMAIN_SERVER_URL:${server.url}`]);
}

const domainUrl = (name: string) => `${server.url}/domains/${name}`;

/** Runs the device's program. */
async function device(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, DOMAIN_URL: domainUrl("den"), LICENCE_SERVER: licences.url };
  const ended = run(process.execPath, ["device.js", ...args], { cwd: nodeDevice, env });
  return ended.then(
    (said) => ({ code: 0, ...said }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

/** A member of a domain besides the example's. */
async function member(name: string): Promise<DeviceDomain> {
  const device = await DeviceDomain.open(domainUrl(name));
  await device.join();
  return device;
}

function askLicence(film: string, token: string | null): Promise<Response> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  return fetch(`${licences.url}/licences/${film}`, { method: "POST", headers });
}

describe("the licence server", () => {
  it("has types that hold", async () => {
    expect(await typeErrors(licenceServer)).toBe("");
  });

  it("gives a domain the keys of the tracks that it is entitled to, and to nobody else", async () => {
    const [den, attic] = [await member("den"), await member("attic")];
    const keysOf = async (device: DeviceDomain, film: string) => {
      const response = await askLicence(film, device.domainToken);
      expect(response.headers.get("content-type")).toBe("application/jose");
      return JSON.parse(new TextDecoder().decode(await device.decrypt(await response.text()))).keys;
    };
    const all = await keysOf(den, "film-1");
    expect(all.map((key: { intendedTrackType: string }) => key.intendedTrackType)).toEqual(["SD", "HD", "AUDIO"]);
    expect(all[0]).toEqual({
      kid: expect.any(String),
      k: expect.stringMatching(/^[\w-]{22}$/),
      intendedTrackType: "SD",
    });
    expect(await keysOf(attic, "film-1")).toEqual([all[0], all[2]]);
    expect(await keysOf(den, "film-2")).not.toContainEqual(all[0]);

    const licence = await (await askLicence("film-1", den.domainToken)).text();
    await expect(attic.decrypt(licence)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
  });

  it("gives no licence to a device that left: it cannot open one", async () => {
    const [leaving, staying] = [await member("den"), await member("den")];
    const [token, copy] = [leaving.domainToken, await member("den")];
    await leaving.leave();
    const licence = await (await askLicence("film-1", token)).text();
    // The copy stands for a device that kept its keys: it has not renewed since.
    await expect(copy.decrypt(licence)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    await staying.renew();
    expect((await staying.decrypt(licence)).length).toBeGreaterThan(0);
  });

  it("refuses what it must", async () => {
    const { domainToken: den } = await member("den");
    const { domainToken: other } = await member("constructor");
    const answer = async (film: string, token: string | null) => {
      const response = await askLicence(film, token);
      return [response.status, ((await response.json()) as { error: string }).error];
    };
    expect(await answer("film-3", den)).toEqual([403, "NOT_ENTITLED"]);
    expect(await answer("film-1", other)).toEqual([403, "NOT_ENTITLED"]);
    expect(await answer("toString", den)).toEqual([403, "NOT_ENTITLED"]);
    expect(await answer("film-1", null)).toEqual([401, "INVALID_DOMAIN_TOKEN"]);
    expect(await answer("film-1", `${den?.slice(0, -4)}AAAA`)).toEqual([401, "INVALID_DOMAIN_TOKEN"]);
  });
});

describe("the device in Node", () => {
  it("joins, watches, renews when it must, watches without a network, and leaves", async () => {
    expect(await device("watch")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("NOT_A_MEMBER"),
    });
    expect((await device("join")).stdout).toMatch(/^A member of \S+\/domains\/den, at key version \d+\.\n$/);
    const first = await device("watch", "film-1");
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout.match(/film-1: (SD|HD|AUDIO) plays with key [0-9a-f-]{36}\./g)).toHaveLength(3);

    await (await member("den")).leave();
    expect((await device("watch", "film-2")).stdout.match(/plays with key/g)).toHaveLength(2);
    expect((await device("watch", "film-3")).stderr).toContain("403");

    await licences.stop();
    expect((await device("watch", "film-1")).stdout).toBe(first.stdout);
    licences = await startLicences();

    expect(existsSync(join(nodeDevice, "licences"))).toBe(true);
    expect((await device("leave")).stdout).toMatch(/^Left /);
    expect(existsSync(join(nodeDevice, "licences"))).toBe(false);
    expect(await device("watch", "film-1")).toMatchObject({ code: 1, stdout: "" });
  });

  it("says how it is used", async () => {
    for (const args of [[], ["constructor"], ["dance"]]) {
      expect(await device(...args)).toEqual({
        code: 1,
        stdout: "",
        stderr: "Usage: node device.js join | watch [film] | leave\n",
      });
    }
  });
});

describe("the examples", () => {
  const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));

  it.each(["licence-server", "node-device", "browser-device"])(
    "of which %s names the tarball that npm pack makes",
    (example) => {
      const { dependencies } = JSON.parse(readFileSync(join("examples", example, "package.json"), "utf8"));
      expect(dependencies[name]).toBe(`file:../../${name}-${version}.tgz`);
    },
  );

  it("leave nothing untracked, nor does npm pack", async () => {
    const left = [
      `${name}-${version}.tgz`,
      "dist/client/index.js",
      "examples/node-device/device/x",
      "examples/node-device/licences/x",
    ];
    const { stdout } = await run("git", ["check-ignore", ...left]);
    expect(stdout.trim().split("\n")).toEqual(left);
  });
});

describe("the device in a browser", () => {
  it("has types that hold against the packed package", async () => {
    expect(await typeErrors(await installExample("browser-device", folder))).toBe("");
  });
});
