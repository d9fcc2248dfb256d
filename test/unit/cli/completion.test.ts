import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../../src/cli/program.ts";

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "completion-"));
  for (const shell of ["bash", "zsh", "fish"]) writeFileSync(join(folder, shell), (await commandLine(shell)).out);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function commandLine(...args: string[]) {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const code = await run({
    arguments: ["completion", ...args],
    environment: {},
    input: Readable.from([]),
    output,
    errors,
  });
  output.end();
  errors.end();
  return { code, out: await text(output), err: await text(errors) };
}

/** The completions that bash offers for the last of these words. */
function offered(...words: readonly string[]): readonly string[] {
  const program = `source "$1"; shift; COMP_WORDS=(device-domain "$@"); COMP_CWORD=$#; _device_domain; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const printed = execFileSync("bash", ["-uc", program, "bash", join(folder, "bash"), ...words], { encoding: "utf8" });
  return printed.trim().split("\n");
}

describe("bash completes", () => {
  it.each([
    ["a command", ["ad"], ["admin"]],
    ["a command within a command", ["admin", "dom"], ["domains"]],
    ["a command within two", ["admin", "domains", "del"], ["delete", "delete-idle", "deletions"]],
    ["after options and their values", ["--json", "admin", "--server", "admin", "domains", "sh"], ["show"]],
    ["an option of the command", ["admin", "domains", "delete", "den", "--co"], ["--confirm"]],
    ["an option of the commands above", ["admin", "domains", "list", "--j"], ["--json"]],
    ["an argument with fixed values", ["completion", "f"], ["fish"]],
    ["no value of an option", ["admin", "--server", ""], [""]],
    ["nothing that there is not", ["frobnicate", "domains", "sh"], [""]],
  ])("%s", (_, words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });

  it("every command of operators", () => {
    const commands = offered("admin", "").filter((word) => !word.startsWith("-"));
    for (const name of [
      "domains",
      "members",
      "evict",
      "ban",
      "unban",
      "bans",
      "keys",
      "rollover",
      "retire",
      "log",
      "copy",
    ]) {
      expect(commands).toContain(name);
    }
  });
});

it.each(["bash", "zsh", "fish"])("%s is told of each place and each word, in its own syntax", async (shell) => {
  const { code, out, err } = await commandLine(shell);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  for (const word of ['" admin domains"', "delete-idle", "--confirm"]) expect(out).toContain(word);
  const shells = execFileSync("bash", ["-c", `command -v ${shell} || true`], { encoding: "utf8" }).trim();
  // Reads the script without running it, where there is such a shell.
  if (shells) execFileSync(shells, ["-n", join(folder, shell)]);
});

it("knows no other shell", async () => {
  const { code, out, err } = await commandLine("tcsh");
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain("bash, zsh, fish");
});
