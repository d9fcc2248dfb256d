import { asc, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { COPIED_TABLES } from "./copied-tables.ts";
import type { Part } from "./databases.ts";
import { deletedDomains } from "./schema.ts";

/** The record of a deleted domain. */
export type DeletedDomain = typeof deletedDomains.$inferSelect;

/** Of the domain `?1`, unless one of that name was created after `?2`, when the deleted one was deleted. */
const OF_THE_DELETED = `domain = ?1
  and not exists (select 1 from domain_server_info where domain = ?1 and created_at > ?2)`;

const FORGET = [
  ...["domain_keys", "domain_bans"].map((table) => `delete from ${table} where ${OF_THE_DELETED}`),
  // Last: an object that lost its storage in between tells by it that there is more to delete.
  `delete from domain_server_info where ${OF_THE_DELETED}
    and not exists (select 1 from domain_membership where domain = ?1)`,
];
const FORGET_MEMBERS = `delete from domain_membership where ${OF_THE_DELETED} and machine_guid in (
  select machine_guid from domain_membership where domain = ?1 limit ?3)`;
const RECORD = `
  insert into deleted_domains (domain, deleted_at, key_version, revision, member_count, deleted_by)
  values (?1, ?2, ?3, ?4, ?5, ?6)
  on conflict (domain) do update set deleted_at = excluded.deleted_at, key_version = excluded.key_version,
    revision = excluded.revision, member_count = excluded.member_count, deleted_by = excluded.deleted_by
  where excluded.deleted_at >= deleted_at`;

/**
 * Records a deletion, and deletes the rows of the domain: at once, but for members beyond a page. Repeated or late, it
 * changes nothing of a domain that was created since. Once recorded, no part of the copy brings a row back.
 *
 * @returns whether no row is left; else it has to be called again
 */
export async function writeDeletion(database: D1Database, deletion: DeletedDomain): Promise<boolean> {
  const { domain, deletedAt, keyVersion, revision, memberCount, deletedBy } = deletion;
  const { pageRows } = COPIED_TABLES.members;
  const [members] = await database.batch([
    database.prepare(FORGET_MEMBERS).bind(domain, deletedAt, pageRows),
    ...FORGET.map((statement) => database.prepare(statement).bind(domain, deletedAt)),
    database.prepare(RECORD).bind(domain, deletedAt, keyVersion, revision, memberCount, deletedBy),
  ]);
  return (members?.meta.changes ?? 0) < pageRows;
}

/** Deletions by name. A name that was used again and deleted again has its last one. */
export function listDeletions(database: D1Database, { after, limit }: Part<string>): Promise<DeletedDomain[]> {
  return drizzle(database)
    .select()
    .from(deletedDomains)
    .where(gt(deletedDomains.domain, after ?? ""))
    .orderBy(asc(deletedDomains.domain))
    .limit(limit)
    .execute();
}
