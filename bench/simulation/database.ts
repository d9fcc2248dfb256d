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

/** A change as objects hand it over, as far as this needs it: types of the Workers runtime are not known here. */
type Change = Readonly<{
  info: Readonly<{ domain: string; revision: number; createdAt: number }>;
  base: number;
  rows: Readonly<Record<"members" | "keys" | "bans", readonly (readonly unknown[])[]>>;
  removed: Readonly<Record<"members" | "keys" | "bans", readonly string[]>>;
  counts: Readonly<Record<string, number>>;
}>;

type Statement = { values: unknown[] };

/** A D1 database as far as writes of changes go: one thread, and the revision it has of each domain. */
export class ModelledDatabase {
  readonly thread: Thread = { free: 0, busy: 0 };
  readonly revisions = new Map<string, number>();
  writes = 0;
  rows = 0;
  readonly #clock: EventClock;

  constructor(clock: EventClock) {
    this.#clock = clock;
  }

  /** Stands for any statement: its one or two parameters are JSON. */
  prepare() {
    const statement: Statement & { bind(...values: unknown[]): Statement } = {
      values: [],
      bind: (...values) => ({ values }),
    };
    return statement;
  }

  /** Takes the parts in the first statement, as the SQL would, and as many rows as the others have. */
  async batch([find, ...rest]: readonly Statement[]) {
    const parts = JSON.parse(String(find?.values[0])) as [domain: string, base: number, revision: number][];
    const rows = rest.flatMap(({ values }) => values.map((value) => listOf(value).length)).reduce((a, b) => a + b, 0);
    this.writes++;
    this.rows += rows;
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

/** A change of some members of a domain, with rows as long as real ones. */
export function changeOf(domain: string, base: number, revision: number, members: number): Change {
  const row = [
    "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77",
    1_795_451_639_000,
    "NGqcqMcrfFgYbXnMXfGsp7n1cdmLuXvUEqfdz3gc2nY",
    null,
    null,
  ];
  return {
    info: { domain, revision, createdAt: 1 },
    base,
    rows: { members: Array.from({ length: members }, () => row), keys: [], bans: [] },
    removed: { members: [], keys: [], bans: [] },
    counts: {},
  };
}

/** The part of the database writer that the simulation uses. */
type Writer = Readonly<{ write(change: Change): Promise<Outcome<unknown>> }>;

/** The real database writer, built with a stand-in for the one import that only the Workers runtime has. */
export async function loadDatabaseWriter(): Promise<(database: ModelledDatabase) => Writer> {
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
    return (database) => new Writer({ id: { name: "DB" }, storage }, { DB: database });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes a change. @throws Error if the writer refuses it: modelled databases do not fail */
export async function write(writer: Writer, change: Change): Promise<void> {
  const { granted } = await writer.write(change);
  if (!granted) throw new Error("a change was lost");
}
