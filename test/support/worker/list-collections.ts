import { env } from "cloudflare:workers";
import { stored } from "./client.ts";

/** A list as its operators see it and as its rows come and go: by number, in the order of the list's keys. */
export type Collection = Readonly<{
  path: (domain: string) => string;
  /** The member of the answer that holds the rows. */
  name: string;
  /** The number of a row of the answer, of which the number was told when it was added. */
  // biome-ignore lint/suspicious/noExplicitAny: the rows of each list are of another shape
  numberOf: (row: any) => number;
  add: (domain: string, number: number) => Promise<unknown>;
  remove: (domain: string, number: number) => Promise<unknown>;
  descending?: boolean;
}>;

const EPOCH = Date.UTC(2026, 0, 1);
const guidOf = (number: number) => `${String(number).padStart(8, "0")}-6c1e-4f0a-9d3b-5a7e21c04f88`;
/** Runs a statement on the database. */
const run = (sql: string, ...values: unknown[]) =>
  env.DB.prepare(sql)
    .bind(...values)
    .run();
const sinceEpoch = (time: string) => Date.parse(time) - EPOCH;

const log = (order: "newest" | "oldest"): Collection => ({
  path: (domain) => `/${domain}/log?order=${order}`,
  name: "entries",
  numberOf: ({ revision }) => revision,
  add: (domain, number) =>
    stored(domain, "insert into domain_log values (?, ?, '[]', ?, '')", number, EPOCH, `hash-${number}`),
  remove: (domain, number) => stored(domain, "delete from domain_log where revision = ?", number),
  descending: order === "newest",
});

/** Every list of the administration. */
export const COLLECTIONS: Readonly<Record<string, Collection>> = {
  domains: {
    path: (domain) => `?prefix=${domain}.`,
    name: "domains",
    numberOf: ({ maxMembership }) => maxMembership,
    add: (domain, number) =>
      run(
        `insert into domain_server_info (domain, max_membership, revision, created_at, updated_at)
          values (?, ?, 1, ?, ?)`,
        nameOf(domain, number),
        number,
        EPOCH,
        EPOCH,
      ),
    remove: (domain, number) => run("delete from domain_server_info where domain = ?", nameOf(domain, number)),
  },
  members: {
    path: (domain) => `/${domain}/members`,
    name: "members",
    numberOf: ({ joinedAt }) => sinceEpoch(joinedAt),
    add: (domain, number) =>
      stored(
        domain,
        "insert into domain_membership values (?, null, ?, null, null, null, 20000)",
        guidOf(number),
        EPOCH + number,
      ),
    remove: (domain, number) => stored(domain, "delete from domain_membership where machine_guid = ?", guidOf(number)),
  },
  bans: {
    path: (domain) => `/${domain}/bans`,
    name: "bans",
    numberOf: ({ bannedAt }) => sinceEpoch(bannedAt),
    add: (domain, number) =>
      stored(domain, "insert into domain_bans values (?, null, 'stolen', 'ada', ?)", guidOf(number), EPOCH + number),
    remove: (domain, number) => stored(domain, "delete from domain_bans where machine_guid = ?", guidOf(number)),
  },
  "key versions": {
    path: (domain) => `/${domain}/key-versions`,
    name: "keys",
    numberOf: ({ keyVersion }) => keyVersion,
    add: (domain, number) => stored(domain, "insert into domain_keys values (?, '{}', '', '', ?)", number, EPOCH),
    remove: (domain, number) => stored(domain, "delete from domain_keys where key_version = ?", number),
    descending: true,
  },
  "the log, newest first": log("newest"),
  "the log, oldest first": log("oldest"),
};

/** Characters of domain names in the order of their codes. */
const MARKS = "-.09:AZ_az~";

/** A name that begins with another's, and sorts by a number from 0 to 32. */
function nameOf(domain: string, number: number): string {
  return `${domain}.x${MARKS[Math.floor(number / 3)]}${number % 3}`;
}
