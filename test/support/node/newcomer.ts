import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A running `npm run dev`. */
export type DevServer = Readonly<{ child: ChildProcess; output: () => string; ended: Promise<number | null> }>;

/** A clone as a newcomer has it, but with the dependencies of this checkout: installing them is the slow part. */
export class Clone {
  readonly folder = mkdtempSync(join(tmpdir(), "device-domain-"));
  readonly url: string;
  readonly #port: number;
  readonly #children: ChildProcess[] = [];

  constructor(port: number) {
    this.#port = port;
    this.url = `http://localhost:${port}`;
    const checkout = process.cwd();
    const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" });
    for (const file of files.trim().split("\n")) cpSync(join(checkout, file), join(this.folder, file));
    symlinkSync(join(checkout, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Runs `npm run dev`. */
  dev(): DevServer {
    const env = { ...process.env, PORT: String(this.#port) };
    const child = spawn("npm", ["run", "--silent", "dev"], { cwd: this.folder, env });
    this.#children.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    return { child, output: () => output, ended };
  }

  /** Waits until a server is well. */
  async healthy({ child, output }: DevServer): Promise<void> {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the server ended early:\n${output()}`);
      const response = await fetch(`${this.url}/health`).catch(() => null);
      if (response?.ok) return;
      await delay(200);
    }
  }

  /** Waits until a server has said something. */
  async said({ child, output }: DevServer, text: string): Promise<void> {
    while (!output().includes(text)) {
      if (child.exitCode !== null) throw new Error(`the server ended early:\n${output()}`);
      await delay(200);
    }
  }

  /** Ends npm as a supervisor would, and waits until nothing listens any more. */
  async stopped({ child, ended }: DevServer): Promise<void> {
    child.kill("SIGTERM");
    await ended;
    for (;;) {
      // It may go away in the middle of an answer, too.
      const answer = fetch(`${this.url}/health`).then((response) => response.text());
      if ((await answer.catch(() => null)) === null) return;
      await delay(200);
    }
  }

  /** Ends what a failed test left running, and removes the folder. */
  remove(): void {
    for (const child of this.#children) child.kill("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
