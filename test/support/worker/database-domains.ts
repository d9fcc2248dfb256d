import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { databasesOf } from "../../../src/server/database/databases.ts";
import { newDomain, newGuid, register } from "./client.ts";

const TABLES = ["domain_server_info", "domain_membership", "domain_keys", "domain_bans", "deleted_domains"] as const;

/** The databases that have rows of a domain, by their bindings, and how many rows each has by table. */
export async function rowsByDatabase(domain: string): Promise<Record<string, Record<string, number>>> {
  const found: Record<string, Record<string, number>> = {};
  for (const [name, database] of databasesOf(env)) {
    for (const table of TABLES) {
      const query = `select count(*) as count from ${table} where domain = ?`;
      const count = (await database.prepare(query).bind(domain).first<number>("count")) ?? 0;
      if (count > 0) found[name] = { ...found[name], [table]: count };
    }
  }
  return found;
}

/** The one database that has a domain. @throws Error if there is another number of them */
export async function databaseOf(domain: string): Promise<string> {
  const names = Object.keys(await rowsByDatabase(domain));
  if (names.length !== 1) throw new Error(`${domain} is in ${names.length} databases`);
  return names[0] as string;
}

/** New domains with a member each, of which every database has some; their rows are in place. */
export async function spreadDomains(count = 12) {
  const domains: { domain: string; member: string; database: string }[] = [];
  while (domains.length < count || new Set(domains.map(({ database }) => database)).size < 3) {
    const [domain, member] = [newDomain(), newGuid()];
    await register(domain, member);
    domains.push({ domain, member, database: await vi.waitFor(() => databaseOf(domain), { timeout: 20_000 }) });
  }
  return domains;
}
