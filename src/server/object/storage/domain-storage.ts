import { drizzle } from "drizzle-orm/durable-sqlite";
import { migrate } from "drizzle-orm/durable-sqlite/migrator";
import { base64url } from "jose";
import migrations from "../../../../migrations/object/migrations.js";
import { type Command, machineGuidsOf } from "../../../domain/commands.ts";
import type { BatchDecision } from "../../../domain/decide.ts";
import { canonicalJson, changesOf, type LogChange, type LogEntry } from "../../../domain/log-entry.ts";
import { candidatesNeeded } from "../../../domain/replacement-candidates.ts";
import { type RequestRecord, recordIds } from "../../../domain/request-records.ts";
import {
  DEFAULT_SETTINGS,
  type DeviceProof,
  type DomainSettings,
  type DomainState,
  type Membership,
  NEWBORN,
} from "../../../domain/types.ts";
import { reserves } from "../../auth/identity-domains.ts";
import type { Config } from "../../config.ts";
import { isSealedAnew } from "../../crypto/device-names.ts";
import { deviceId, logHash } from "../../crypto/log-hashes.ts";
import { LogMacs } from "../../crypto/log-macs.ts";
import {
  APPEND_TO_LOG,
  APPEND_TO_OUTBOX,
  type BanRow,
  COUNT_BY_SUBJECT,
  type DeletionRow,
  type DomainRow,
  ERASE_ALL,
  type KnownRow,
  type MemberRow,
  type ProgressRow,
  READ_BANS,
  READ_DELETION,
  READ_DOMAIN,
  READ_KEYS,
  READ_KNOWN,
  READ_KNOWN_OF_ONE,
  READ_LEAST_RECENT,
  READ_PROGRESS,
  READ_SIGNED_LEAVES,
  REMOVE_BANS,
  REMOVE_MEMBERS,
  type StoredDomainKey,
  WRITE_BANS,
  WRITE_KEYS,
  WRITE_MEMBERS,
  WRITE_RECORDS,
  WRITE_SIGNED_LEAVES,
  writeDeletion,
  writeDomain,
  writeProgress,
} from "./statements.ts";

/** The part of a batch decision that is written. */
type StoredChange = Pick<BatchDecision, "state" | "events" | "records">;

/** A key that is not written yet. */
type NewKey = Omit<StoredDomainKey, "createdAt">;

type StorageConfig = Pick<Config, "defaultRolloverIntervalSeconds" | "keyEncryptionKeys" | "trustedIssuers">;

type SignedLeave = { machineGuid: string; signedAt: number };

/** The progress of a domain that nobody has copied yet. */
const NO_PROGRESS: ProgressRow = {
  id: 1,
  database: null,
  copiedRevision: 0,
  copiedHead: null,
  staleSince: null,
  rewriteDue: 0,
  comparedAt: 0,
  publishedRevision: null,
  rewrappedKid: null,
};

/**
 * One domain in the storage of its object. Everything here is synchronous: between two statements nothing else runs.
 *
 * Only this object writes the storage, so that the two single rows are read once and kept.
 */
export class DomainStorage {
  readonly storage: DurableObjectStorage;
  readonly #name: string;
  readonly #config: () => StorageConfig;
  #logMacs: LogMacs | undefined;
  #isReserved: boolean | undefined;
  /** The row as it is stored; null if there is no domain, undefined if it has to be read. */
  #row: DomainRow | null | undefined;
  #progress: ProgressRow | undefined;
  /** The deletion as it is stored, as the row; and as D1 says, if this storage does not have it. */
  #deletion: DeletionRow | null | undefined;
  #deletionInDatabase: DeletionRow | null = null;
  /** Whether there may be bans: most domains have none, and then nobody looks for any. */
  #hasBans = true;
  #hasTables = false;
  /** The database that was chosen for a domain that has written nothing yet. */
  #chosen: string | null = null;

  /**
   * @param name the domain's name
   * @param config the server's configuration, which may be at fault as long as nothing needs it
   */
  constructor(storage: DurableObjectStorage, name: string, config: () => StorageConfig) {
    this.storage = storage;
    this.#name = name;
    this.#config = config;
    this.#hasTables =
      this.sql.exec("select 1 from sqlite_master where name = 'domain_server_info'").toArray().length > 0;
  }

  get name(): string {
    return this.#name;
  }

  get sql(): SqlStorage {
    return this.storage.sql;
  }

  /** Whether the storage has tables. Without them nothing was ever written here. */
  get hasTables(): boolean {
    return this.#hasTables;
  }

  /** Makes the tables, or brings them up to date: at once, so that what follows in the same turn is one commit with it. */
  migrate(): Promise<void> {
    const done = migrate(drizzle(this.storage), migrations);
    this.#hasTables = true;
    return done;
  }

  /** The row of the domain; null if there is none. */
  get row(): DomainRow | null {
    if (!this.#hasTables) return null;
    if (this.#row === undefined) {
      this.#row = this.sql.exec<DomainRow>(READ_DOMAIN).toArray()[0] ?? null;
      this.#hasBans = this.#findBans();
    }
    return this.#row;
  }

  #findBans(): boolean {
    return this.sql.exec("select 1 from domain_bans limit 1").toArray().length > 0;
  }

  /** The MACs of the log. @throws ConfigError */
  get logMacs(): LogMacs {
    this.#logMacs ??= new LogMacs(this.#name, this.#config().keyEncryptionKeys);
    return this.#logMacs;
  }

  /** Whether the domain's name belongs to a trusted issuer. @throws ConfigError */
  get isReserved(): boolean {
    this.#isReserved ??= this.#config().trustedIssuers.some((issuer) => reserves(issuer, this.#name));
    return this.#isReserved;
  }

  /** The id that the log calls a device by. */
  deviceId(machineGuid: string): string {
    if (!this.row) throw new Error("there is no domain");
    return deviceId(this.row.deviceIdKey, machineGuid);
  }

  /** How far the work that follows commits has come. */
  get progress(): ProgressRow {
    if (!this.#hasTables) return NO_PROGRESS;
    this.#progress ??= this.sql.exec<ProgressRow>(READ_PROGRESS).toArray()[0] ?? NO_PROGRESS;
    return this.#progress;
  }

  /** Notes progress. */
  note(news: Partial<ProgressRow>): void {
    const next = { ...this.progress, ...news };
    writeProgress(this.sql, next);
    this.#progress = next;
  }

  /** The D1 database that has the copy, by its binding: one for a name, also when its domain is deleted. */
  get database(): string {
    const database = this.keptDatabase ?? this.#chosen;
    if (database === null) throw new Error("no database is chosen yet");
    return database;
  }

  /** The same as far as it is stored; null if it is not. */
  get keptDatabase(): string | null {
    return this.progress.database ?? this.deletion?.database ?? null;
  }

  /** Chooses the database of a domain that has none yet; kept with the first commit. */
  choose(database: string): void {
    this.#chosen = database;
  }

  /** The record of the last deleted domain of this name; null if none is known. */
  get deletion(): DeletionRow | null {
    if (this.#hasTables && this.#deletion === undefined) {
      this.#deletion = this.sql.exec<DeletionRow>(READ_DELETION).toArray()[0] ?? null;
    }
    const [stored, other] = [this.#deletion ?? null, this.#deletionInDatabase];
    return other && other.deletedAt > (stored?.deletedAt ?? 0) ? other : stored;
  }

  /** Takes note of a deletion that D1 knows. Nothing is written before there is something else to write. */
  noteDeletion(deletion: DeletionRow): void {
    this.#deletionInDatabase = deletion;
  }

  /** Notes whether D1 still has to be told of the deletion. */
  oweDeletion(isOwed: boolean): void {
    const { deletion } = this;
    if (!deletion || deletion.isOwed === Number(isOwed)) return;
    const next = { ...deletion, isOwed: Number(isOwed) };
    if (this.#deletion?.deletedAt === next.deletedAt) {
      writeDeletion(this.sql, next);
      this.#deletion = next;
    } else this.#deletionInDatabase = next;
  }

  /** Deletes the domain, and leaves a record of that. To be called within a transaction. */
  erase(deletion: DeletionRow): void {
    for (const statement of ERASE_ALL) this.sql.exec(statement);
    writeDeletion(this.sql, deletion);
    this.#deletion = deletion;
    this.#row = null;
    this.#progress = undefined;
    this.#hasBans = false;
  }

  /** Runs `work` as one transaction, which is undone whole if it throws. */
  transaction<T>(work: () => T): T {
    try {
      return this.storage.transactionSync(work);
    } catch (error) {
      this.#row = undefined;
      this.#progress = undefined;
      this.#deletion = undefined;
      throw error;
    }
  }

  /** The state of the domain without its devices. */
  get domainState(): DomainState {
    const { row, isReserved } = this;
    const { defaultRolloverIntervalSeconds } = this.#config();
    return { ...(row ? stateOf(row) : this.#newborn), name: this.#name, isReserved, defaultRolloverIntervalSeconds };
  }

  /** The state a domain of this name is born with. The keys of one that was deleted are lost, and their versions used. */
  get #newborn(): DomainState {
    const { keyVersion = 0 } = this.deletion ?? {};
    return { ...NEWBORN, keyVersion, retiredUpTo: keyVersion, lostUpTo: keyVersion };
  }

  /** The state of the domain as far as these commands need it. */
  stateFor(commands: readonly Command[]): DomainState {
    const { row, domainState } = this;
    if (!row) return { ...domainState, subjectMembers: noMembersOf(commands) };
    const guids = new Set<string>();
    const ids: string[] = [];
    const proofs: DeviceProof[] = [];
    for (const command of commands) {
      ids.push(...recordIds(command));
      for (const machineGuid of machineGuidsOf(command)) guids.add(machineGuid);
      if (command.type === "register" && command.proof) proofs.push(command.proof);
    }
    const machineGuids = JSON.stringify([...guids]);
    const cursor =
      commands.length === 1 && guids.size <= 1
        ? this.sql.exec(READ_KNOWN_OF_ONE, [...guids][0] ?? "", ids[0] ?? "", ids[1] ?? "")
        : this.sql.exec(READ_KNOWN, machineGuids, JSON.stringify(ids));
    const { members, records } = known(cursor.raw<KnownRow>());
    const candidates = this.#leastRecent(candidatesNeeded({ ...domainState, members }, commands));
    const signedLeaves = proofs.length === 0 ? [] : this.sql.exec<SignedLeave>(READ_SIGNED_LEAVES, machineGuids);
    const thumbprints = JSON.stringify(proofs.map(({ thumbprint }) => thumbprint));
    const bans = this.#hasBans ? this.sql.exec<BanRow>(READ_BANS, machineGuids, thumbprints) : [];
    return {
      ...domainState,
      members: candidates.size === 0 ? members : new Map([...members, ...candidates]),
      leastRecent: [...candidates.keys()],
      subjectMembers: mayHaveQuota(row, commands) ? this.#subjectMembers(commands) : new Map(),
      records,
      signedLeaves: new Map([...signedLeaves].map(({ machineGuid, signedAt }) => [machineGuid, signedAt])),
      bans: new Map([...bans].map(({ machineGuid, bannedBy: by, ...ban }) => [machineGuid, { ...ban, by }])),
    };
  }

  /** The state of the domain with the members among some machine GUIDs. */
  stateWith(machineGuids: readonly string[]): DomainState {
    const rows = this.sql.exec(READ_KNOWN, JSON.stringify(machineGuids), "[]").raw<KnownRow>();
    return { ...this.domainState, members: known(rows).members };
  }

  /** Whether members may have to leave for newcomers among these commands. */
  mayReplace(commands: readonly Command[]): boolean {
    return candidatesNeeded(this.domainState, commands) > 0;
  }

  /** So many of the members that have not renewed for longest; the one for whom it is longest is the last. */
  #leastRecent(count: number): ReadonlyMap<string, Membership> {
    const rows = count === 0 ? [] : this.sql.exec<MemberRow>(READ_LEAST_RECENT, count).toArray().reverse();
    return new Map(rows.map(({ machineGuid, ...membership }) => [machineGuid, membership]));
  }

  /** How many members there are by the subjects whose tokens these commands show. */
  #subjectMembers(commands: readonly Command[]): Map<string, number> {
    const counts = noMembersOf(commands);
    const hashes = JSON.stringify([...counts.keys()]);
    const rows = this.sql.exec<{ subjectHash: string; count: number }>(COUNT_BY_SUBJECT, hashes);
    for (const { subjectHash, count } of rows) counts.set(subjectHash, count);
    return counts;
  }

  /** The stored keys above a version, up to another. */
  keys(after: number, upTo: number): readonly StoredDomainKey[] {
    return this.#hasTables ? this.sql.exec<StoredDomainKey>(READ_KEYS, after, upTo).toArray() : [];
  }

  /**
   * Writes a commit: the rows that differ, one entry of the log, and what D1 lacks from now on. To be called within a
   * transaction.
   *
   * @param before the state the change was decided on
   * @param newKeys the keys that its events say are made
   * @param now milliseconds since the Unix epoch
   * @param more the versions of keys that were wrapped anew; when a domain that is taken over was created
   */
  commit(
    before: DomainState,
    change: StoredChange,
    newKeys: readonly NewKey[],
    now: number,
    { rewrapped = [], createdAt }: Readonly<{ rewrapped?: readonly number[]; createdAt?: number }> = {},
  ): void {
    const { state, events, records } = change;
    const { deletion } = this;
    if (!this.row && deletion && this.#deletion?.deletedAt !== deletion.deletedAt) {
      writeDeletion(this.sql, deletion);
      this.#deletion = deletion;
    }
    // Above those of a domain that was deleted: who follows the changes of this name takes no new one for an old one.
    const revision = this.row ? state.revision : Math.max(state.revision, (deletion?.revision ?? 0) + 1);
    const bornAt = Math.max(now, (deletion?.deletedAt ?? 0) + 1);
    const members = difference(before.members, state.members);
    const bans = difference(before.bans, state.bans);
    const { written: signedLeaves } = difference(before.signedLeaves, state.signedLeaves);
    const apply = (statement: string, rows: readonly unknown[]) => {
      if (rows.length > 0) this.sql.exec(statement, JSON.stringify(rows));
    };
    apply(REMOVE_MEMBERS, members.removed);
    apply(
      WRITE_MEMBERS,
      members.written.map(([guid, member]) => {
        const { deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn, subjectHash, sealedName } = member;
        return [guid, deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn, subjectHash, sealedName];
      }),
    );
    const names = members.written.flatMap(([, { sealedName }]) => sealedName ?? []);
    // By a Worker that has not been told of the present key yet.
    if (names.some((name) => !isSealedAnew(name, this.#config().keyEncryptionKeys))) this.note({ rewrappedKid: null });
    apply(REMOVE_BANS, bans.removed);
    apply(
      WRITE_BANS,
      bans.written.map(([guid, ban]) => [guid, ban.deviceKeyThumbprint, ban.reason, ban.by, ban.bannedAt]),
    );
    apply(
      WRITE_KEYS,
      newKeys.map((key) => [key.keyVersion, key.publicJwk, key.wrappedPrivateJwk, key.keyEncryptionKid, now]),
    );
    apply(
      WRITE_RECORDS,
      [...records].map(([id, { command, machineGuid, grant }]) => {
        return [id, command, machineGuid, JSON.stringify(grant), now];
      }),
    );
    apply(
      WRITE_SIGNED_LEAVES,
      signedLeaves.map(([guid, signedAt]) => [guid, signedAt, now]),
    );
    const deviceIdKey = this.row?.deviceIdKey ?? base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
    const kids = new Map(newKeys.map(({ keyVersion, publicJwk }) => [keyVersion, JSON.parse(publicJwk).kid]));
    const logged = changesOf(events, (machineGuid) => deviceId(deviceIdKey, machineGuid), kids);
    const head = this.#append(revision, logged, now);
    const { settings, keyRolloverRequired, rolloverNotBefore, keyVersion, keyMadeAt, retiredUpTo } = state;
    const { lostUpTo, memberCount } = state;
    const row: DomainRow = {
      domain: this.#name,
      ...settingColumnsOf(settings),
      keyRolloverRequired: Number(keyRolloverRequired),
      memberCount,
      keyVersion,
      keyMadeAt,
      lostUpTo,
      rolloverNotBefore,
      deviceIdKey,
      epoch: this.row?.epoch ?? bornAt,
      retiredUpTo,
      revision,
      head,
      createdAt: this.row?.createdAt ?? createdAt ?? bornAt,
      updatedAt: now,
    };
    writeDomain(this.sql, row);
    const keys = {
      members: [...members.removed, ...members.written.map(([guid]) => guid)],
      keys: [...rewrapped, ...newKeys.map(({ keyVersion }) => keyVersion)],
      bans: [...bans.removed, ...bans.written.map(([guid]) => guid)],
    };
    this.sql.exec(APPEND_TO_OUTBOX, revision, JSON.stringify(keys));
    const { database, staleSince } = this.progress;
    if (database === null || staleSince === null) this.note({ database: this.database, staleSince: staleSince ?? now });
    // A domain that is taken over brings its bans along.
    this.#hasBans ||= bans.written.length > 0 || (this.row === null && this.#findBans());
    this.#row = row;
  }

  /** Appends an entry to the log. @returns its hash */
  #append(revision: number, logged: readonly LogChange[], now: number): string {
    const entry: LogEntry = {
      domain: this.#name,
      revision,
      committedAt: new Date(now).toISOString(),
      previous: this.row?.head ?? null,
      changes: logged,
    };
    const changes = canonicalJson(logged);
    const hash = logHash(entry, changes);
    this.sql.exec(APPEND_TO_LOG, revision, now, changes, hash, this.logMacs.of(hash));
    return hash;
  }
}

/** The members and the request records among rows. */
function known(rows: Iterable<KnownRow>) {
  const members = new Map<string, Membership>();
  const records = new Map<string, RequestRecord>();
  for (const row of rows) {
    if (row[0] === "member") {
      const [, guid, deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn, subjectHash, sealedName] = row;
      members.set(guid, { deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn, subjectHash, sealedName });
    } else {
      const [, id, command, machineGuid, outcome] = row;
      records.set(id, { command: command as Command["type"], machineGuid, grant: JSON.parse(outcome) });
    }
  }
  return { members, records };
}

/** The subjects whose tokens these commands show, none of which has a member yet. */
function noMembersOf(commands: readonly Command[]): Map<string, number> {
  const hashes = commands.flatMap((command) =>
    command.type === "register" && command.auth.kind === "verified" ? (command.auth.subjectHash ?? []) : [],
  );
  return new Map(hashes.map((hash) => [hash, 0]));
}

/** Whether a quota for each subject holds for one of the commands: a batch may set it, and go on with joins. */
function mayHaveQuota({ maxMembershipPerSubject }: DomainRow, commands: readonly Command[]): boolean {
  return maxMembershipPerSubject !== null || commands.some(({ type }) => type === "settings");
}

const SETTING_NAMES = Object.keys(DEFAULT_SETTINGS) as readonly (keyof DomainSettings)[];

type SettingColumns = Pick<DomainRow, keyof DomainSettings>;

/** The settings that a row holds. */
export function settingsOf(row: SettingColumns): DomainSettings {
  const settings = SETTING_NAMES.map((name) => [name, isFlag(name) ? row[name] === 1 : row[name]]);
  return Object.fromEntries(settings) as DomainSettings;
}

/** The columns that hold settings: SQLite has no booleans. */
function settingColumnsOf(settings: DomainSettings): SettingColumns {
  const columns = SETTING_NAMES.map((name) => [name, isFlag(name) ? Number(settings[name]) : settings[name]]);
  return Object.fromEntries(columns) as SettingColumns;
}

function isFlag(name: keyof DomainSettings): boolean {
  return typeof DEFAULT_SETTINGS[name] === "boolean";
}

function stateOf(row: DomainRow): DomainState {
  const { revision, rolloverNotBefore, keyVersion, keyMadeAt, retiredUpTo, lostUpTo, memberCount } = row;
  return {
    ...NEWBORN,
    revision,
    settings: settingsOf(row),
    keyRolloverRequired: row.keyRolloverRequired === 1,
    rolloverNotBefore,
    keyVersion,
    keyMadeAt,
    retiredUpTo,
    lostUpTo,
    memberCount,
  };
}

/** The entries to write and the keys to remove so that one map becomes another. */
function difference<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>) {
  return {
    // By identity, not by content: a device that left and came back within one batch is a new membership.
    written: [...after].filter(([key, value]) => before.get(key) !== value),
    removed: [...before.keys()].filter((key) => !after.has(key)),
  };
}
