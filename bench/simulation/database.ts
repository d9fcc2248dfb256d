import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import type { Outcome } from "../../src/domain/types.ts";
import type { EventClock, Thread } from "./event-clock.ts";

/** The time of one write of D1 from another region, and of each row in it, in milliseconds. */
const WRITE_MILLISECONDS = 50;
const ROW_MILLISECONDS = 0.03;

type Statement = Readonly<{ values: readonly unknown[] }>;

/** A D1 database as far as writes of changes go: one thread, and the revision it has of each domain. */
export class ModelledDatabase {
  readonly thread: Thread = { free: 0, busy: 0 };
  readonly revisions = new Map<string, number>();
  writes = 0;
  readonly #clock: EventClock;

  constructor(clock: EventClock) {
    this.#clock = clock;
  }

  /** Stands for any statement: its one or two parameters are JSON. */
  prepare() {
    return { bind: (...values: unknown[]): Statement => ({ values }) };
  }

  /** Takes the parts in the first statement, as the SQL would, and as many rows as the others have. */
  async batch([find, ...rest]: readonly Statement[]) {
    const parts = JSON.parse(String(find?.values[0])) as [domain: string, base: number, revision: number][];
    const rows = rest.flatMap(({ values }) => values.flatMap(listOf)).length;
    this.writes++;
    await this.#clock.until(this.#clock.work(this.thread, WRITE_MILLISECONDS + ROW_MILLISECONDS * rows));
    const results = parts.flatMap(([domain]) => {
      const revision = this.revisions.get(domain);
      return revision === undefined ? [] : [{ domain, revision, head: null }];
    });
    for (const [domain, base, revision] of parts) {
      const present = this.revisions.get(domain) ?? 0;
      if (present >= base && present < revision) this.revisions.set(domain, revision);
    }
    return [{ results }];
  }
}

/** The rows in a parameter; the parts, which every statement has, are none. */
function listOf(value: unknown): readonly unknown[] {
  const list = JSON.parse(String(value)) as unknown;
  return Array.isArray(list) && Array.isArray(list[0]) && list[0].length !== 4 ? list : [];
}

/** Hands a change of some members of a domain to a database writer; done when the database has it. */
export type HandOver = (domain: string, base: number, revision: number, members: number) => Promise<void>;

/** The part of the database writer that the simulation uses. Types of the Workers runtime are not known here. */
type Writer = Readonly<{ write(change: object): Promise<Outcome<unknown>> }>;

/** A row of a member, as long as real ones. */
const MEMBER = [
  "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77",
  1_795_451_639_000,
  "NGqcqMcrfFgYbXnMXfGsp7n1cdmLuXvUEqfdz3gc2nY",
  null,
  null,
];

/** The real database writer, built with a stand-in for the one import that only the Workers runtime has. */
export async function loadDatabaseWriter(): Promise<(database: ModelledDatabase) => HandOver> {
  const folder = mkdtempSync(join(tmpdir(), "simulation-"));
  const outfile = join(folder, "database-writer.mjs");
  try {
    await build({
      entryPoints: ["src/server/database/database-writer.ts"],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      alias: { "cloudflare:workers": "./bench/simulation/workers-runtime.ts" },
      logLevel: "error",
    });
    const module = await import(pathToFileURL(outfile).href);
    const Writer = module.DatabaseWriter as new (context: object, environment: object) => Writer;
    const storage = { kv: { get: () => undefined, put: () => {} } };
    return (database) => {
      const writer = new Writer({ id: { name: "DB" }, storage }, { DB: database });
      return async (domain, base, revision, members) => {
        const { granted } = await writer.write({
          info: { domain, revision, createdAt: 1 },
          base,
          rows: { members: Array.from({ length: members }, () => MEMBER), keys: [], bans: [] },
          removed: { members: [], keys: [], bans: [] },
          counts: {},
        });
        // Modelled databases do not fail.
        if (!granted) throw new Error("a change was lost");
      };
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
