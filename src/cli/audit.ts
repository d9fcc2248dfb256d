import { createReadStream } from "node:fs";
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from "jose";
import type { DomainSettings } from "../domain/events.ts";
import type { LogCheckpoint, ReplayedState } from "../domain/log-replay.ts";
import { LOG_CHECKPOINT_TYPE, LOG_HEAD_TYPE } from "../protocol/token-types.ts";
import { banText, type DownloadedEntry, LogAudit, type Present } from "./log-audit.ts";
import { jsonLines, type OperatorApi } from "./operator-api.ts";

/** What an audit found: nothing wrong if there are no problems. */
export type Findings = Readonly<{
  domain: string;
  entries: number;
  revision: number;
  members: number;
  keyVersion: number;
  problems: readonly string[];
  /** The signed head of the log as it was: keep it, and hold the log against it next time. */
  head: string | null;
}>;

/** What to hold a log against besides itself: files, by path. */
export type Evidence = Readonly<{
  /** An earlier signed head: that entry must still be in the log, or have been cut off since. */
  head?: string | undefined;
  /** An earlier export, for a log that was cut since. */
  archive?: string | undefined;
}>;

type Overview = DomainSettings & Omit<ReplayedState, "settings"> & Readonly<{ domain: string; revision: number }>;
/** `statement` is null if the newest entry is forged. */
type Head = Readonly<{ revision: number; hash: string; statement: string | null; checkpoint: Checkpoint | null }>;
type Checkpoint = Readonly<{ revision: number; statement: string }>;
type Rows = Pick<Present, "members" | "bans" | "kids" | "forgedEntries" | "differingTables">;
type AuditLine = Readonly<{
  member?: Readonly<{ deviceId: string; deviceKeyThumbprint: string | null }>;
  ban?: Readonly<{ deviceId: string; deviceKeyThumbprint: string | null; reason: string }>;
  key?: Readonly<{ keyVersion: number; kid: string }>;
  forgedEntry?: Readonly<{ revision: number }>;
  differingTable?: Readonly<{ name: string }>;
  complete?: Readonly<{ revision: number }>;
}>;
type ExportLine = DownloadedEntry | Readonly<{ checkpoint: Checkpoint }>;

const TRIES = 5;

/**
 * Downloads the log of a domain, checks the chain of its hashes against what the domain authority signed, replays it,
 * and compares what it leads to with the domain's members, device keys, bans, keys and settings, and those with the
 * database.
 *
 * @throws OperatorApiError; Error if a statement is not the authority's
 */
export async function audit(api: OperatorApi, { head: earlier, archive }: Evidence, read: Read): Promise<Findings> {
  const authority = createRemoteJWKSet(new URL("/.well-known/jwks.json", api.origin));
  const head = await api.get<Head>("/log/head");
  const { domain } = await api.get<Overview>();
  const statements = [head.statement, earlier === undefined ? null : (await read(earlier)).trim()];
  const signed: LogCheckpoint[] = [];
  for (const statement of statements) {
    if (statement === null) continue;
    signed.push(await stated<LogCheckpoint>(statement, LOG_HEAD_TYPE, domain, api.origin, authority));
  }

  const start = archive === undefined ? head.checkpoint : await archivedCheckpoint(archive);
  const log = new LogAudit(
    start && (await stated<LogCheckpoint>(start.statement, LOG_CHECKPOINT_TYPE, domain, api.origin, authority)),
  );
  let entries = 0;
  const take = async (lines: AsyncIterable<ExportLine>) => {
    for await (const line of lines) {
      // An archive and the log may overlap.
      if ("checkpoint" in line || (entries > 0 && archive !== undefined && line.revision <= log.revision)) continue;
      log.add(line);
      entries++;
    }
  };
  if (archive !== undefined) await take(jsonLines<ExportLine>(createReadStream(archive)));
  await take(api.lines<ExportLine>("/log/export"));
  const present = await presentOf(api, log, take);
  for (const statement of signed) log.holdAgainst(statement);
  log.compare(present);
  const { revision, memberCount: members, keyVersion } = present;
  return { domain, entries, revision, members, keyVersion, problems: log.problems, head: head.statement };
}

/** Reads a file as text. */
type Read = (path: string) => Promise<string>;

/** The domain as it is, at the revision that the log has come to: read again as long as it changes meanwhile. */
async function presentOf(
  api: OperatorApi,
  log: LogAudit,
  take: (lines: AsyncIterable<ExportLine>) => Promise<void>,
): Promise<Present> {
  for (let attempt = 1; ; attempt++) {
    const before = await api.get<Overview>();
    if (before.revision > log.revision) await take(api.lines<ExportLine>(`/log/export?after=${log.revision}`));
    const rows = await rowsOf(api);
    const after = await api.get<Overview>();
    if (after.revision !== before.revision && attempt < TRIES) continue;
    return { ...after, settings: after, ...rows };
  }
}

/** The rows of the domain, and what the server alone can check. @throws Error if the answer was cut */
async function rowsOf(api: OperatorApi): Promise<Rows> {
  const members = new Map<string, string | null>();
  const bans = new Map<string, string>();
  const kids = new Map<number, string>();
  const forgedEntries: number[] = [];
  const differingTables: string[] = [];
  let isComplete = false;
  for await (const { member, ban, key, forgedEntry, differingTable, complete } of api.lines<AuditLine>("/audit")) {
    if (member) members.set(member.deviceId, member.deviceKeyThumbprint);
    if (ban) bans.set(ban.deviceId, banText(ban.reason, ban.deviceKeyThumbprint));
    if (key) kids.set(key.keyVersion, key.kid);
    if (forgedEntry) forgedEntries.push(forgedEntry.revision);
    if (differingTable) differingTables.push(differingTable.name);
    isComplete ||= complete !== undefined;
  }
  if (!isComplete) throw new Error("The server's answer was cut: audit again.");
  return { members, bans, kids, forgedEntries, differingTables };
}

async function archivedCheckpoint(archive: string): Promise<Checkpoint | null> {
  for await (const line of jsonLines<ExportLine>(createReadStream(archive))) {
    return "checkpoint" in line ? line.checkpoint : null;
  }
  return null;
}

/** What the domain authority signed. @throws Error if it did not sign this, of this domain */
async function stated<Claims>(
  statement: string,
  typ: string,
  domain: string,
  issuer: string,
  authority: JWTVerifyGetKey,
): Promise<Claims> {
  const options = { typ, subject: domain, algorithms: ["ES256"] };
  const { payload } = await jwtVerify(statement, authority, options).catch((cause) => {
    throw new Error(`A statement about the log is not signed by the domain authority of ${issuer}`, { cause });
  });
  return payload as Claims;
}
