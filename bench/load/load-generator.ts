import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Job, Measurement } from "./jobs.ts";

/** The bench's hold on the process that makes the load. */
export class LoadGenerator {
  readonly #child = fork(fileURLToPath(new URL("generator.ts", import.meta.url)));

  /** Has a job done; one at a time. @throws Error if any request failed */
  async run(job: Job): Promise<Measurement> {
    const reply = await new Promise<{ measurement: Measurement } | { fault: string }>((resolve) => {
      const ended = () => resolve({ fault: "the load generator ended" });
      this.#child.once("exit", ended);
      this.#child.once("message", (message) => {
        this.#child.off("exit", ended);
        resolve(message as { measurement: Measurement });
      });
      this.#child.send(job);
    });
    if ("fault" in reply) throw new Error(`${job.traffic.kind} at ${job.origin}: ${reply.fault}`);
    return reply.measurement;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
