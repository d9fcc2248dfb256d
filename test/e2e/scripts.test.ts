import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const ROOT = process.cwd();

/** The files of scripts that have another name, or are elsewhere. */
const FILES: Readonly<Record<string, string>> = {
  bench: "bench/run.ts",
  "bench:profile": "bench/profile.ts",
  "bench:year": "bench/year.ts",
  "demo:player": "scripts/demo-player.ts",
  simulate: "bench/simulate.ts",
  torture: "test/torture/run.ts",
};

/** Runs a script in a folder. */
function script(name: string, args: readonly string[], cwd = ROOT) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, FILES[name] ?? `scripts/${name}.ts`), ...args],
    {
      cwd,
      encoding: "utf8",
      input: "",
    },
  );
  return { status, stdout, stderr };
}

describe.each([
  ...Object.keys(FILES),
  "check",
  "copy",
  "demo",
  "deploy",
  "dev",
  "mock",
  "protocol",
  "reset",
  "secrets",
  "token",
  "wrap-keys",
])("npm run %s", (name) => {
  it("shows its help, and does nothing", () => {
    const { status, stdout } = script(name, ["--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: npm run ${name} -- [options]`);
    expect(stdout).not.toContain('KEY_ENCRYPTION_KEYS":');
  });

  it("does nothing by options that it does not know", () => {
    for (const args of [["--no-such-option"], ["stray"]]) {
      const { status, stdout, stderr } = script(name, args);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(/^error: /);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  });
});

describe("npm run reset", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "reset-"));
    writeFileSync(join(folder, ".dev.vars"), "ADMIN_TOKEN=x");
    mkdirSync(join(folder, ".wrangler/state/v3"), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const isThere = () => [".dev.vars", ".wrangler/state"].map((path) => existsSync(join(folder, path)));

  it("erases nothing where nobody can be asked", () => {
    const { status, stderr } = script("reset", [], folder);
    expect(status).toBe(2);
    expect(stderr).toContain("npm run reset -- --yes");
    expect(isThere()).toEqual([true, true]);
  });

  it("erases secrets and data, and says so", () => {
    const { status, stdout } = script("reset", ["--yes"], folder);
    expect([status, stdout]).toEqual([0, 'Erased .dev.vars and .wrangler/state. "npm run dev" begins anew.\n']);
    expect(isThere()).toEqual([false, false]);
    expect(script("reset", ["--yes"], folder)).toMatchObject({ status: 0, stderr: "There is nothing to erase.\n" });
  });
});
