import { index, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { banColumns, deletionColumns, domainColumns, keyColumns, memberColumns } from "./columns.ts";

// The tables of D1: the copy of all domains. Each domain's object writes its own rows here, a moment after its commits.
// The migrations declare every table WITHOUT ROWID, which drizzle-kit cannot express: the primary key is then the
// table itself, and a new row costs one write instead of two.

/**
 * One row for each domain. While a domain is written anew, its revision is 0 and its head the id of that rewriting.
 */
export const domainServerInfo = sqliteTable("domain_server_info", domainColumns());

/** One row for each device of each domain. */
export const domainMembership = sqliteTable(
  "domain_membership",
  { domain: text("domain").notNull(), ...memberColumns() },
  (table) => [
    primaryKey({ columns: [table.domain, table.machineGuid] }),
    index("domain_membership_by_device").on(table.machineGuid),
  ],
);

/** One row for each domain key. */
export const domainKeys = sqliteTable("domain_keys", { domain: text("domain").notNull(), ...keyColumns() }, (table) => [
  primaryKey({ columns: [table.domain, table.keyVersion] }),
  index("domain_keys_by_key_encryption").on(table.keyEncryptionKid, table.domain),
]);

/** One row for each device that an operator keeps out. */
export const domainBans = sqliteTable("domain_bans", { domain: text("domain").notNull(), ...banColumns() }, (table) => [
  primaryKey({ columns: [table.domain, table.machineGuid] }),
]);

/**
 * One row for each name whose domain was deleted, the last time. It keeps late parts of the copy, and a take-over, from
 * bringing that domain back.
 */
export const deletedDomains = sqliteTable("deleted_domains", deletionColumns());
