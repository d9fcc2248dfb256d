import { createReadStream } from "node:fs";
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from "jose";
import type { LogCheckpoint } from "../domain/log-replay.ts";
import type { DomainOperator, LogLine, OperatedDomain, LogCheckpoint as SignedCheckpoint } from "../operator/index.ts";
import { jsonLines } from "../operator/json-lines.ts";
import { LOG_CHECKPOINT_TYPE, LOG_HEAD_TYPE } from "../protocol/token-types.ts";
import { CommandError } from "./failures.ts";
import { banText, LogAudit, type Present } from "./log-audit.ts";

/** The result of an audit: nothing is wrong if there are no problems. */
type Findings = Readonly<{
  domain: string;
  entries: number;
  revision: number;
  members: number;
  keyVersion: number;
  problems: readonly string[];
  /** The signed head of the log as it was: keep it, and hold the log against it next time. */
  head: string | null;
}>;

/** Files that a log is compared with, by path. */
type Evidence = Readonly<{
  /** An earlier signed head: that entry must still be in the log, or have been cut off since. */
  head?: string | undefined;
  /** An earlier export, for a log that was cut since. */
  archive?: string | undefined;
}>;

type Rows = Pick<Present, "members" | "bans" | "kids" | "forgedEntries" | "differingTables">;

const TRIES = 5;

/**
 * Downloads the log of a domain, checks the chain of its hashes against what the domain authority signed, replays it,
 * and compares what it leads to with the domain's members, device keys, bans, keys and settings, and those with the
 * database.
 *
 * @throws OperatorError; CommandError `AUDIT_UNFINISHED`, `UNREADABLE_FILE`; Error if a statement is not the authority's
 */
export async function audit(
  { origin }: DomainOperator,
  operated: OperatedDomain,
  { head: earlier, archive }: Evidence,
  read: Read,
): Promise<Findings> {
  const authority = createRemoteJWKSet(new URL("/.well-known/jwks.json", origin));
  const head = await operated.logHead();
  const { domain } = head;
  const statements = [head.statement, earlier === undefined ? null : headIn(await read(earlier))];
  const signed: LogCheckpoint[] = [];
  for (const statement of statements) {
    if (statement === null) continue;
    signed.push(await stated<LogCheckpoint>(statement, LOG_HEAD_TYPE, domain, origin, authority));
  }

  const start = archive === undefined ? head.checkpoint : await archivedCheckpoint(archive);
  const log = new LogAudit(
    start && (await stated<LogCheckpoint>(start.statement, LOG_CHECKPOINT_TYPE, domain, origin, authority)),
  );
  let entries = 0;
  const take = async (lines: AsyncIterable<LogLine>) => {
    for await (const line of lines) {
      // An archive and the log may overlap.
      if ("checkpoint" in line || (entries > 0 && archive !== undefined && line.revision <= log.revision)) continue;
      log.add(line);
      entries++;
    }
  };
  if (archive !== undefined) await take(exported(archive));
  await take(operated.exportLog());
  const present = await presentOf(operated, log, take);
  for (const statement of signed) log.holdAgainst(statement);
  log.compare(present);
  const { revision, memberCount: members, keyVersion } = present;
  return { domain, entries, revision, members, keyVersion, problems: log.problems, head: head.statement };
}

/** The signed head in what an earlier audit printed: all of its JSON, or the head alone, quoted or not. */
function headIn(text: string): string {
  const trimmed = text.trim();
  if (!/^["{]/.test(trimmed)) return trimmed;
  try {
    const value: unknown = JSON.parse(trimmed);
    const head = typeof value === "string" ? value : (value as { head?: unknown }).head;
    if (typeof head === "string") return head;
  } catch {
    // It is said below.
  }
  const sentence = "The file of --head holds no signed head: give what an audit printed with --json.";
  throw new CommandError("UNREADABLE_FILE", sentence);
}

/** Reads a file as text. */
type Read = (path: string) => Promise<string>;

/**
 * The domain as it is, at the revision that the log has come to: read again if it changes meanwhile.
 *
 * @throws CommandError `AUDIT_UNFINISHED` if it changes each time
 */
async function presentOf(
  operated: OperatedDomain,
  log: LogAudit,
  take: (lines: AsyncIterable<LogLine>) => Promise<void>,
): Promise<Present> {
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const before = await operated.overview();
    if (before.revision > log.revision) await take(operated.exportLog({ after: log.revision }));
    const rows = await rowsOf(operated);
    const after = await operated.overview();
    if (after.revision === before.revision) return { ...after, settings: after, ...rows };
  }
  throw new CommandError("AUDIT_UNFINISHED", "The domain changes too fast: audit again.");
}

/**
 * The rows of the domain, and what the server alone can check.
 *
 * @throws CommandError `AUDIT_UNFINISHED` if the response was cut
 */
async function rowsOf(operated: OperatedDomain): Promise<Rows> {
  const members = new Map<string, string | null>();
  const bans = new Map<string, string>();
  const kids = new Map<number, string>();
  const forgedEntries: number[] = [];
  const differingTables: string[] = [];
  let isComplete = false;
  for await (const line of operated.audit()) {
    if ("member" in line) members.set(line.member.deviceId, line.member.deviceKeyThumbprint);
    if ("ban" in line) bans.set(line.ban.deviceId, banText(line.ban.reason, line.ban.deviceKeyThumbprint));
    if ("key" in line) kids.set(line.key.keyVersion, line.key.kid);
    if ("forgedEntry" in line) forgedEntries.push(line.forgedEntry.revision);
    if ("differingTable" in line) differingTables.push(line.differingTable.name);
    isComplete ||= "complete" in line;
  }
  if (!isComplete) throw new CommandError("AUDIT_UNFINISHED", "The server's response was cut: audit again.");
  return { members, bans, kids, forgedEntries, differingTables };
}

/** The lines of an earlier export. @throws CommandError `UNREADABLE_FILE` */
async function* exported(file: string): AsyncGenerator<LogLine> {
  try {
    yield* jsonLines<LogLine>(createReadStream(file));
  } catch (cause) {
    const sentence = `${file} cannot be read, or is not the export of a log.`;
    throw new CommandError("UNREADABLE_FILE", sentence, { cause });
  }
}

async function archivedCheckpoint(archive: string): Promise<SignedCheckpoint | null> {
  for await (const line of exported(archive)) {
    return "checkpoint" in line ? line.checkpoint : null;
  }
  return null;
}

/** The claims of a statement of the domain authority. @throws Error if it did not sign this, of this domain */
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
