import { asc, count, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { Part } from "./databases.ts";
import { domainKeys } from "./schema.ts";

/** The key-encryption keys that wrap domain keys, by `kid`, and how many each. */
export function readKeyEncryptionUses(database: D1Database) {
  return drizzle(database)
    .select({ kid: domainKeys.keyEncryptionKid, domainKeys: count() })
    .from(domainKeys)
    .groupBy(domainKeys.keyEncryptionKid)
    .orderBy(asc(domainKeys.keyEncryptionKid))
    .execute();
}

/** The `kid`s of the key-encryption keys that wrap domain keys: one seek in an index for each. */
export async function readKeyEncryptionKids(database: D1Database): Promise<readonly string[]> {
  const rows = await drizzle(database).all<{ kid: string }>(sql`
    with recursive kids(kid) as (
      select min(key_encryption_kid) from ${domainKeys}
      union all
      select (select min(key_encryption_kid) from ${domainKeys} where key_encryption_kid > kids.kid) from kids
        where kids.kid is not null)
    select kid from kids where kid is not null`);
  return rows.map(({ kid }) => kid);
}

/** Domains, after one, with a key that another key-encryption key wraps than `kid`; in their order. */
export async function domainsToRewrap(
  database: D1Database,
  kid: string,
  { after, limit }: Part<string>,
): Promise<readonly string[]> {
  const others = (await readKeyEncryptionKids(database)).filter((each) => each !== kid);
  const rows = await drizzle(database).all<{ domain: string }>(sql`
    select distinct domain from ${domainKeys}
    where key_encryption_kid in (select value from json_each(${JSON.stringify(others)})) and domain > ${after ?? ""}
    order by domain limit ${limit}`);
  return rows.map(({ domain }) => domain);
}
