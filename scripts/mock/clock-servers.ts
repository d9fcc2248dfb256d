import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Miniflare } from "miniflare";
import { newSecrets } from "../local-secrets.ts";
import { migrate, runLocally } from "../local-worker.ts";
import { buildWorker } from "../worker-build.ts";

/** The real server, in memory: one for each clock that a script asks for, with the same secrets. */
export class ClockServers {
  readonly adminToken: string;
  readonly #code: string;
  readonly #vars: Readonly<Record<string, string>>;
  readonly #running = new Map<number, Promise<{ miniflare: Miniflare; origin: string }>>();

  private constructor(code: string, vars: Readonly<Record<string, string>>) {
    this.#code = code;
    this.#vars = vars;
    this.adminToken = vars.ADMIN_TOKEN as string;
  }

  /** Builds the server. @param url what it calls itself */
  static async build(url: string): Promise<ClockServers> {
    const folder = mkdtempSync(join(tmpdir(), "device-domains-mock-"));
    try {
      const code = await buildWorker("src/server/index.ts", folder);
      return new ClockServers(code, { ...(await newSecrets()), DOMAIN_SERVER_URL: url });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** The origin of the server whose clock is so many seconds ahead; started when it is first asked for. */
  async origin(clock: number): Promise<string> {
    const running = this.#running.get(clock) ?? this.#start(clock);
    this.#running.set(clock, running);
    return (await running).origin;
  }

  async stop(): Promise<void> {
    for (const { miniflare } of await Promise.all(this.#running.values())) await miniflare.dispose();
  }

  async #start(clock: number) {
    const code = clock === 0 ? this.#code : `${clockAhead(clock)}\n${this.#code}`;
    const miniflare = await runLocally("mock", code, this.#vars);
    const { origin } = await miniflare.ready;
    await migrate(await miniflare.getD1Database("DB"));
    return { miniflare, origin };
  }
}

/** A statement that sets the clock of a Worker and its objects ahead. */
function clockAhead(seconds: number): string {
  return `{ const now = Date.now; Date.now = () => now.call(Date) + ${seconds * 1_000}; }`;
}
