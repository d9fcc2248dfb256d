import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

/** The output of a command that fails. */
export const FAILED = "@@failed";
const DONE = "\n@@done\n";

/** One shell for all commands of a document: later ones use what earlier ones set. It has the command line at hand. */
export class Shell {
  readonly #bash: ChildProcess;
  #output = "";

  constructor(folder: string, variables: Readonly<Record<string, string>>) {
    const env = { ...process.env, ...variables };
    this.#bash = spawn("bash", [], { cwd: folder, env, stdio: ["pipe", "pipe", "inherit"] });
    this.#bash.stdout?.on("data", (chunk) => {
      this.#output += chunk;
    });
    const commandLine = `'${process.execPath}' '${resolve("src/cli/main.ts")}'`;
    this.#bash.stdin?.write(`device-domain() { ${commandLine} "$@"; }\nset -o pipefail\n`);
    this.#bash.stdin?.write(`trap 'echo "${FAILED}: $BASH_COMMAND"' ERR\n`);
  }

  /** @returns what the commands print */
  async run(commands: string): Promise<string> {
    this.#output = "";
    this.#bash.stdin?.write(`${commands}\nprintf '\\n@@done\\n'\n`);
    while (!this.#output.endsWith(DONE)) await once(this.#bash.stdout as NodeJS.ReadableStream, "data");
    return this.#output.slice(0, -DONE.length);
  }

  end(): void {
    this.#bash.stdin?.end();
  }
}
