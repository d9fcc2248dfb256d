import { createHash } from "node:crypto";

/** The bindings of D1 databases: `DB`, `DB_2`, `DB_3` and so on. */
export const DATABASE_BINDING = /^DB(_([2-9]|[1-9][0-9]+))?$/;

/**
 * The database for a new domain: the one with the highest hash of its own name and the domain's. The domains spread
 * evenly, and one more database takes its share of each.
 *
 * @param open the databases that take new domains; at least one
 * @see Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (rendezvous hashing)
 */
export function chosenDatabase(domain: string, open: readonly string[]): string {
  const weighed = open.map((name) => ({
    name,
    weight: createHash("sha256").update(`${name} ${domain}`).digest("hex"),
  }));
  return weighed.reduce((best, each) => (each.weight > best.weight ? each : best)).name;
}
