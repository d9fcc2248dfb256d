import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { Clone, type DevServer } from "../support/node/newcomer.ts";

const run = promisify(execFile);

/** A setting that there is, whose entries the recipe's new setting copies. */
const MODEL = { name: "deleteAfterEmptyDays", column: "delete_after_empty_days" };
const NEW = { name: "inventoryDays", column: "inventory_days" };

describe("the recipe for a setting in CONTRIBUTING.md", () => {
  let clone: Clone;
  let server: DevServer;

  beforeAll(async () => {
    clone = new Clone(await freePort());
    for (const file of filesOf("Add a setting")) {
      const path = join(clone.folder, file);
      writeFileSync(path, withSibling(readFileSync(path, "utf8"), file));
    }
    const npm = (script: string) => run("npm", ["run", "--silent", script], { cwd: clone.folder });
    await npm("db:generate");
    await npm("types");
    server = clone.dev();
    await clone.said(server, "/docs");
  });

  afterAll(async () => {
    await clone.stopped(server);
    clone.remove();
  });

  it("names every file that TypeScript wants", async () => {
    for (const project of ["tsconfig.json", "tsconfig.node.json", "tsconfig.console.json"]) {
      const tsc = join("node_modules", "typescript", "bin", "tsc");
      const { stdout } = await run(process.execPath, [tsc, "--noEmit", "--project", project], {
        cwd: clone.folder,
      }).catch((error: { stdout: string }) => error);
      expect(stdout).toBe("");
    }
  });

  it("leaves the tests of settings as they were", async () => {
    const vitest = join("node_modules", "vitest", "vitest.mjs");
    const files = ["test/worker/admin.test.ts"];
    await run(process.execPath, [vitest, "run", "--project", "worker", ...files], { cwd: clone.folder });
  });

  it("gives a setting that is kept, shown, described and copied to D1", async () => {
    const token = /^ADMIN_TOKEN=(.*)$/m.exec(readFileSync(join(clone.folder, ".dev.vars"), "utf8"))?.[1];
    const ask = async (init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const response = await fetch(`${clone.url}/admin/domains/den`, { ...init, headers });
      return (await response.json()) as Record<string, unknown>;
    };
    expect(await ask({ method: "PUT", body: "{}" })).toMatchObject({ [NEW.name]: null });
    const changed = await ask({ method: "PATCH", body: JSON.stringify({ [NEW.name]: 30 }) });
    expect(changed).toMatchObject({ [NEW.name]: 30, [MODEL.name]: null });
    const { revision } = changed;
    expect(await ask()).toMatchObject({ [NEW.name]: 30, revision, copiedRevision: revision });
    expect(await ask({ method: "PATCH", body: JSON.stringify({ [NEW.name]: 0 }) })).toMatchObject({
      errors: [{ field: NEW.name }],
    });
    expect(await (await fetch(`${clone.url}/openapi.json`)).text()).toContain(`"${NEW.name}"`);
  });
});

/** The files that a recipe tells one to change, but for the rule and the documents. */
function filesOf(title: string): readonly string[] {
  const [, recipe = ""] = readFileSync("CONTRIBUTING.md", "utf8").split(`## ${title}\n`);
  const [steps = ""] = recipe.split("\n## ");
  const files = [...steps.matchAll(/`((?:src|test)\/[\w./-]+\.tsx?)`/g)].map(([, file = ""]) => file);
  return files.filter((file) => file !== "src/domain/settings.ts");
}

/** A file with an entry for the new setting after each entry of the one that there is. */
function withSibling(source: string, file: string): string {
  const lines = source.split("\n");
  const starts = lines.flatMap((line, index) => {
    if (line.trimStart().startsWith(`${MODEL.name}:`)) return [index];
    return line.trim() === `name: "${MODEL.name}",` ? [index - 1] : [];
  });
  if (starts.length === 0) throw new Error(`${file} has no entry of ${MODEL.name}`);
  for (const start of starts.reverse()) {
    const end = endOfEntry(lines, start);
    const copy = lines.slice(start, end).map((line) => line.replaceAll(MODEL.name, NEW.name));
    lines.splice(end, 0, ...copy.map((line) => line.replaceAll(MODEL.column, NEW.column)));
  }
  return lines.join("\n");
}

/** The line after an entry: it ends with a comma or a semicolon outside of all brackets. */
function endOfEntry(lines: readonly string[], start: number): number {
  for (let depth = 0, index = start; ; index++) {
    const line = lines[index] as string;
    depth += (line.match(/[({[]/g) ?? []).length - (line.match(/[)}\]]/g) ?? []).length;
    if (depth === 0 && /[,;]$/.test(line)) return index + 1;
  }
}
