import type { domainServerInfo } from "./schema.ts";

/** The columns of a member, a ban and a key, in the order of their statements. Times in milliseconds since the epoch. */
export type MemberCopy = [
  machineGuid: string,
  deviceKeyThumbprint: string | null,
  joinedAt: number,
  signedAt: number | null,
];
export type BanCopy = [
  machineGuid: string,
  deviceKeyThumbprint: string | null,
  reason: string,
  bannedBy: string,
  bannedAt: number,
];
export type KeyCopy = [
  keyVersion: number,
  publicJwk: string,
  wrappedPrivateJwk: string,
  keyEncryptionKid: string,
  createdAt: number,
];

/** The row of a domain, as SQLite holds it. */
export type InfoCopy = { [Name in keyof typeof domainServerInfo.$inferSelect]: string | number | null } & {
  domain: string;
  revision: number;
  head: string | null;
};

/** The final states of what a domain changed after the revision `base`, up to `info.revision`. */
export type Change = Readonly<{
  info: InfoCopy;
  /** The revision D1 acknowledged last; 0 if none. */
  base: number;
  members: readonly MemberCopy[];
  removedMembers: readonly string[];
  keys: readonly KeyCopy[];
  bans: readonly BanCopy[];
  removedBans: readonly string[];
}>;

/** What D1 had of a domain before a change; null if it did not know the domain. */
export type Found = Readonly<{ revision: number; head: string | null }> | null;

/** A page of a domain that is written anew: all rows of a table after a key, up to another (null: to the end). */
export type Page = Readonly<
  { domain: string; id: string } & (
    | { table: "members"; after: string; upTo: string | null; rows: readonly MemberCopy[] }
    | { table: "bans"; after: string; upTo: string | null; rows: readonly BanCopy[] }
    | { table: "keys"; after: number; upTo: number | null; rows: readonly KeyCopy[] }
  )
>;
