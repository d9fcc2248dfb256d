import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { CompiledStatement } from "../object/storage/compiled-statement.ts";
import { domainKeys, keyEncryptionUses } from "./schema.ts";

/** How many domain keys a key-encryption key wraps. */
export type KeyEncryptionUse = Readonly<{ kid: string; domainKeys: number }>;

/** A wrapped domain key, and the `kid` that its row notes; null if it was written before that was noted. */
export type WrappedKey = Readonly<{
  domain: string;
  keyVersion: number;
  wrappedPrivateJwk: string;
  keyEncryptionKid: string | null;
}>;

/** A row as it was read, and what it is to hold instead. */
export type Rewrapping = Readonly<{ before: WrappedKey; wrappedPrivateJwk: string; keyEncryptionKid: string }>;

/** The key-encryption keys that wrap any domain key, by `kid`. */
export async function readKeyEncryptionUses(database: D1Database): Promise<readonly KeyEncryptionUse[]> {
  return drizzle(database)
    .select()
    .from(keyEncryptionUses)
    .where(gt(keyEncryptionUses.domainKeys, 0))
    .orderBy(asc(keyEncryptionUses.kid));
}

/** Whether there are domain keys whose row does not note what wraps them. */
export async function hasUnclassifiedKeys(database: D1Database): Promise<boolean> {
  return (await keysWrappedWith(database, null, null, 1)).length > 0;
}

/** Domain keys whose row notes this `kid`, or none if that is null: by domain and version, after a row. */
export async function keysWrappedWith(
  database: D1Database,
  kid: string | null,
  after: WrappedKey | null,
  limit: number,
): Promise<readonly WrappedKey[]> {
  const { domain, keyVersion, wrappedPrivateJwk, keyEncryptionKid } = domainKeys;
  return drizzle(database)
    .select({ domain, keyVersion, wrappedPrivateJwk, keyEncryptionKid })
    .from(domainKeys)
    .where(
      and(
        kid === null ? isNull(keyEncryptionKid) : eq(keyEncryptionKid, kid),
        after ? sql`(${domain}, ${keyVersion}) > (${after.domain}, ${after.keyVersion})` : undefined,
      ),
    )
    .orderBy(asc(domain), asc(keyVersion))
    .limit(limit);
}

// Only a row that still holds what was read is written, and only such rows are counted: of two runs that come to the
// same row, the second one finds nothing to do.
const UNCHANGED = sql`from json_each(${sql.placeholder("rows")}) as row cross join ${domainKeys} as key
  where key.domain = row.value ->> '$.before.domain' and key.key_version = row.value ->> '$.before.keyVersion'
    and key.wrapped_private_jwk = row.value ->> '$.before.wrappedPrivateJwk'
    and key.key_encryption_kid is row.value ->> '$.before.keyEncryptionKid'`;

const COUNT = new CompiledStatement<"rows">(sql`
  insert into ${keyEncryptionUses} (kid, domain_keys)
  select kid, sum(change) from (
    select row.value ->> '$.before.keyEncryptionKid' as kid, -1 as change ${UNCHANGED}
    union all select row.value ->> '$.keyEncryptionKid', 1 ${UNCHANGED})
  where kid is not null group by kid
  on conflict do update set domain_keys = domain_keys + excluded.domain_keys`);

const REWRAP = new CompiledStatement<"rows">(sql`
  update ${domainKeys} set wrapped_private_jwk = changed.wrapped, key_encryption_kid = changed.kid
  from (select key.domain, key.key_version, row.value ->> '$.wrappedPrivateJwk' as wrapped,
    row.value ->> '$.keyEncryptionKid' as kid ${UNCHANGED}) as changed
  where ${domainKeys.domain} = changed.domain and ${domainKeys.keyVersion} = changed.key_version`);

/** Writes rows anew that still hold what was read, and counts them, in one transaction. @returns how many were written */
export async function writeRewrappings(database: D1Database, rewrappings: readonly Rewrapping[]): Promise<number> {
  const rows = JSON.stringify(rewrappings);
  const [, rewrapped] = await database.batch([COUNT.with(database, { rows }), REWRAP.with(database, { rows })]);
  return rewrapped?.meta.changes ?? 0;
}
