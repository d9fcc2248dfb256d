import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { type Reply, stored } from "./client.ts";
import { operate } from "./operators.ts";

/** Every table with rows of a domain, in D1. */
const TABLES = ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"];

/** Deletes a domain, as an operator. */
export function deleteDomain(domain: string): Promise<Reply> {
  return operate("DELETE", `/${domain}?confirm=${domain}`);
}

/** How many rows D1 has of a domain. */
export async function rowsInDatabase(domain: string): Promise<number> {
  const counts = TABLES.map((table) =>
    env.DB.prepare(`select count(*) as count from ${table} where domain = ?`).bind(domain).first<number>("count"),
  );
  return (await Promise.all(counts)).reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

/** D1's record of the deletion of a domain; null if it has none. */
export function deletionInDatabase(domain: string) {
  return env.DB.prepare("select * from deleted_domains where domain = ?").bind(domain).first();
}

/** Waits until D1 has the deletion of a domain, and none of its rows. */
export async function expectForgotten(domain: string): Promise<void> {
  await vi.waitFor(async () => expect(await deletionInDatabase(domain)).not.toBeNull(), { timeout: 20_000 });
  expect(await rowsInDatabase(domain)).toBe(0);
}

/** The rows in an object's storage, for each table that has any. */
export async function leftIn(domain: string): Promise<Record<string, number>> {
  const tables = await stored(
    domain,
    "select name from sqlite_master where type = 'table' and name not like '\\_%' escape '\\' and name not like 'sqlite%'",
  );
  const counts = await Promise.all(
    tables.map(async ({ name }) => {
      const [row] = await stored(domain, `select count(*) as count from "${name}"`);
      return [String(name), Number(row?.count)] as const;
    }),
  );
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
