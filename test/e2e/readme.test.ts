import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { Clone, type DevServer } from "../support/node/newcomer.ts";
import { FAILED, Shell } from "../support/node/shell.ts";

/** The README, and the API's reference, which goes on from there. */
const TOLD = ["README.md", "docs/api.md"].map((name) => readFileSync(name, "utf8")).join("\n");
const DOCUMENTS = [
  "README.md",
  ...readdirSync("docs").flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : [])),
];

/** A command of a document, and what it is said to print. */
type Step = Readonly<{ command: string; output: string }>;

/** Commands that only work with a deployment, or an owner's token. */
const ELSEWHERE = /domains\.example\.com|\$TOKEN/;

describe("a newcomer in a fresh clone", () => {
  let clone: Clone;
  let server: DevServer;
  let shell: Shell;
  const home = mkdtempSync(join(tmpdir(), "home-"));

  beforeAll(async () => {
    clone = new Clone(await freePort());
    server = clone.dev();
    await clone.said(server, "/docs");
    shell = new Shell(clone.folder, { DEVICE_DOMAIN_HOME: home });
    // As at a terminal.
    await shell.run("shopt -s expand_aliases");
  });

  afterAll(async () => {
    shell?.end();
    await clone.stopped(server);
    clone.remove();
    rmSync(home, { recursive: true, force: true });
  });

  it("can paste every command of the README and of docs/api.md, one after the other, and reads what is written there", async () => {
    const steps = consoleSteps(TOLD).filter(({ command }) => !ELSEWHERE.test(command));
    for (const { command, output } of steps) {
      const printed = await shell.run(here(command));
      expect(printed, command).not.toContain(FAILED);
      expect(squeezed(printed), command).toMatch(pattern(here(output)));
    }
    expect(steps).toHaveLength(consoleSteps(TOLD).length - 2);
  });

  it("can paste the operators' commands", async () => {
    const guid = crypto.randomUUID();
    await shell.run(`GUID=${guid}; device-domain join ${clone.url}/domains/den`);
    const commands = blocks(readFileSync("docs/operations.md", "utf8"), "sh").flatMap((text) =>
      text.trim().split("\n"),
    );
    const local = commands.filter((command) => command.startsWith("device-domain"));
    for (const command of local) expect(await shell.run(command), command).not.toContain(FAILED);
    expect(local.length).toBeGreaterThan(5);
  });

  function here(text: string): string {
    return text.replaceAll("localhost:8787", new URL(clone.url).host);
  }
});

describe("the documents", () => {
  const scripts = JSON.parse(readFileSync("package.json", "utf8")).scripts as Record<string, string>;

  it.each(DOCUMENTS)("%s names npm scripts that there are", (document) => {
    const named = readFileSync(document, "utf8").matchAll(/npm run (?:-s |--silent )?([\w-]+(?::\w+)*)/g);
    for (const [, name = ""] of named) expect(Object.keys(scripts)).toContain(name);
  });
});

/** The commands of the console blocks, each with the lines that follow it. */
function consoleSteps(document: string): readonly Step[] {
  return blocks(document, "console").flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const [, command = "", output = ""] = /^((?:[^\n]*\\\n)*[^\n]*\n)(.*)$/s.exec(step) ?? [];
        return { command, output };
      }),
  );
}

function blocks(document: string, language: string): readonly string[] {
  return [...document.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, found, text = ""]) =>
    found === language ? [text] : [],
  );
}

/** A text without its line breaks and spaces, which the documents set as they like. */
function squeezed(text: string): string {
  return text.replaceAll(/\s+/g, "");
}

/** A pattern for an output of a document: "…" is anything, and so are times and the beginnings of what is made at random. */
function pattern(output: string): RegExp {
  const escaped = squeezed(output).replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const free = escaped
    .replaceAll(/[\w-]*…/g, ".*")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+\\\.\d{3}Z/g, "\\d{4}-\\d\\d-\\d\\dT[\\d:]+\\.\\d{3}Z");
  return output.trim() === "" ? /(?:)/ : new RegExp(`^${free}$`, "s");
}
