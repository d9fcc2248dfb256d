import { count, sum } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { readKeyEncryptionUses } from "./key-encryption.ts";
import { domainServerInfo } from "./schema.ts";

/** Samples by name, with their labels as in the exposition: `device_domain_refusals_total{error="RATE_LIMITED"}`. */
export type Samples = Readonly<Record<string, number>>;

/** A metric family: its type and what it says. */
type Family = Readonly<{ type: "counter" | "gauge" | "histogram"; help: string }>;

/** The metrics of a database writer. Names follow the conventions of Prometheus; units are seconds and counts. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  device_domain_domains_created: { type: "counter", help: "Domains that came into being." },
  device_domain_domains_deleted: { type: "counter", help: "Domains that were deleted." },
  device_domain_joins: { type: "counter", help: "Devices that joined a domain." },
  device_domain_leaves: { type: "counter", help: "Devices that left by themselves." },
  device_domain_removals: { type: "counter", help: "Devices that an operator, an owner or a setting removed." },
  device_domain_rollovers: { type: "counter", help: "Domain keys that were made." },
  device_domain_commits: { type: "counter", help: "Commits of domains: many requests may share one." },
  device_domain_refusals: { type: "counter", help: "Requests that domains refused, by error." },
  device_domain_database_writes: { type: "counter", help: "Writes of the database, by outcome." },
  device_domain_database_write_changes: { type: "histogram", help: "Domains in one write of the database." },
  device_domain_database_write_seconds: { type: "histogram", help: "How long writes of the database took." },
  device_domain_domains: { type: "gauge", help: "Domains, counted once an hour at most." },
  device_domain_members: { type: "gauge", help: "Members of all domains, counted once an hour at most." },
  device_domain_keys_to_rewrap: {
    type: "gauge",
    help: "Domain keys that another key-encryption key than the present one wraps, counted once an hour at most.",
  },
  device_domain_copy_waiting_changes: { type: "gauge", help: "Changes that wait to be written." },
  device_domain_copy_lag_seconds: {
    type: "gauge",
    help: "How long the oldest has waited, or the database has failed.",
  },
};

const BUCKETS = {
  device_domain_database_write_changes: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
  device_domain_database_write_seconds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
} as const;

/** Counters that are kept: they go on where they were when the object of a database is started anew. */
export class Counters {
  readonly #storage: DurableObjectStorage;
  #samples: Record<string, number> | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  get samples(): Samples {
    this.#samples ??= this.#storage.kv.get<Record<string, number>>("counters") ?? {};
    return this.#samples;
  }

  /** Adds to counters. The caller has them kept. */
  add(more: Samples): void {
    const next = { ...this.samples };
    for (const [name, value] of Object.entries(more)) next[name] = (next[name] ?? 0) + value;
    this.#samples = next;
  }

  /** Adds one observation to a histogram. */
  observe(name: keyof typeof BUCKETS, value: number): void {
    const buckets = BUCKETS[name].map((bound) => [`${name}_bucket{le="${bound}"}`, Number(value <= bound)]);
    this.add({
      ...Object.fromEntries(buckets),
      [`${name}_bucket{le="+Inf"}`]: 1,
      [`${name}_sum`]: value,
      [`${name}_count`]: 1,
    });
  }

  /** Keeps them. */
  keep(): void {
    this.#storage.kv.put("counters", this.samples);
  }
}

/** Counts everything in a database. @param kid the present key-encryption key */
export async function countAll(database: D1Database, kid: string): Promise<Samples> {
  const [[totals], uses] = await Promise.all([
    drizzle(database)
      .select({ domains: count(), members: sum(domainServerInfo.memberCount).mapWith(Number) })
      .from(domainServerInfo),
    readKeyEncryptionUses(database),
  ]);
  const others = uses.filter((use) => use.kid !== kid);
  return {
    device_domain_domains: totals?.domains ?? 0,
    device_domain_members: totals?.members ?? 0,
    device_domain_keys_to_rewrap: others.reduce((all, { domainKeys }) => all + domainKeys, 0),
  };
}
