import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" });
const DOCUMENTS = files.split("\n").filter((file) => file.endsWith(".md"));
/** Documents whose rows name the test that proves them. */
const PROVED = ["test/REQUIREMENTS.md", "docs/security.md", "docs/reliability.md"];

describe("each test that a document names is there", () => {
  it.each(PROVED)("in %s", (document) => {
    const named = namedTests(readFileSync(document, "utf8"));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(({ file, titles }) => !titles.every((title) => hasTest(file, title)))).toEqual([]);
  });
});

describe("each link leads somewhere", () => {
  it.each(DOCUMENTS)("in %s", (document) => {
    const targets = [...readFileSync(document, "utf8").matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
    const local = targets.filter((target) => !/^(?:https?|mailto):/.test(target));
    expect(local.filter((target) => !leadsSomewhere(document, target))).toEqual([]);
  });
});

/** The test files that a document names, below `test/`, each with the titles in quotes that follow it. */
function namedTests(document: string): readonly Readonly<{ file: string; titles: readonly string[] }>[] {
  const found = document.matchAll(
    /`(?:test\/)?((?:unit|worker|e2e|model|browser|databases)\/[\w./-]+\.ts)`((?:,? "[^"\n]+")*)/g,
  );
  return [...found].map(([, file = "", quoted = ""]) => ({
    file,
    titles: [...quoted.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title),
  }));
}

/** Whether a file has a test or a group of tests with this in its title. */
function hasTest(file: string, title: string): boolean {
  const path = join("test", file);
  return existsSync(path) && unescaped(readFileSync(path, "utf8")).includes(title);
}

function unescaped(source: string): string {
  return source.replaceAll(/\\(["'`])/g, "$1");
}

function leadsSomewhere(document: string, target: string): boolean {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? document : join(dirname(document), path);
  if (!existsSync(file)) return false;
  return anchor === undefined || anchors(readFileSync(file, "utf8")).includes(anchor);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(document: string): readonly string[] {
  const headings = [...document.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#+ (.*)$/gm)];
  return headings.map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
