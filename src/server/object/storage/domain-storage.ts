import { drizzle } from "drizzle-orm/durable-sqlite";
import { migrate } from "drizzle-orm/durable-sqlite/migrator";
import migrations from "../../../../migrations/object/migrations.js";
import type { Command } from "../../../domain/commands.ts";
import type { BatchDecision } from "../../../domain/decide.ts";
import { canonicalJson, type LogEntry } from "../../../domain/log-entry.ts";
import { type RequestRecord, recordIds } from "../../../domain/request-records.ts";
import { type DeviceProof, type DomainSettings, type DomainState, NEWBORN } from "../../../domain/types.ts";
import { loggedChanges, logHash } from "../../crypto/log-hashes.ts";
import {
  APPEND_TO_LOG,
  APPEND_TO_OUTBOX,
  type DomainRow,
  type ProgressRow,
  READ_BANS,
  READ_DOMAIN,
  READ_KEYS,
  READ_MEMBERS,
  READ_PROGRESS,
  READ_RECORDS,
  READ_SIGNED_LEAVES,
  REMOVE_BANS,
  REMOVE_MEMBERS,
  type StoredKey,
  WRITE_BANS,
  WRITE_DOMAIN,
  WRITE_KEYS,
  WRITE_MEMBERS,
  WRITE_PROGRESS,
  WRITE_RECORDS,
  WRITE_SIGNED_LEAVES,
} from "./statements.ts";

/** The part of a batch decision that is written. */
export type Change = Pick<BatchDecision, "state" | "events" | "records">;

/** The progress of a domain that nobody has copied yet. */
const NO_PROGRESS: ProgressRow = {
  id: 1,
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
  readonly #storage: DurableObjectStorage;
  readonly #name: string;
  /** The row as it is stored; null if there is no domain, undefined if it has to be read. */
  #row: DomainRow | null | undefined;
  #progress: ProgressRow | undefined;
  /** Whether there may be bans: most domains have none, and then nobody looks for any. */
  #hasBans = true;
  #hasTables = false;

  /** @param name the domain's name */
  constructor(storage: DurableObjectStorage, name: string) {
    this.#storage = storage;
    this.#name = name;
    this.#hasTables =
      this.sql.exec("select 1 from sqlite_master where name = 'domain_server_info'").toArray().length > 0;
  }

  get name(): string {
    return this.#name;
  }

  get sql(): SqlStorage {
    return this.#storage.sql;
  }

  /** Whether the storage has tables. Without them nothing was ever written here. */
  get hasTables(): boolean {
    return this.#hasTables;
  }

  /** Makes the tables, or brings them up to date. */
  async migrate(): Promise<void> {
    await migrate(drizzle(this.#storage), migrations);
    this.#hasTables = true;
  }

  /** The row of the domain; null if there is none. */
  get row(): DomainRow | null {
    if (!this.#hasTables) return null;
    if (this.#row === undefined) {
      this.#row = READ_DOMAIN.run(this.sql, {})[0] ?? null;
      this.#hasBans = this.sql.exec("select 1 from domain_bans limit 1").toArray().length > 0;
    }
    return this.#row;
  }

  /** How far the work that follows commits has come. */
  get progress(): ProgressRow {
    if (!this.#hasTables) return NO_PROGRESS;
    this.#progress ??= READ_PROGRESS.run(this.sql, {})[0] ?? NO_PROGRESS;
    return this.#progress;
  }

  /** Notes progress. */
  note(progress: Partial<ProgressRow>): void {
    this.transaction(() => {
      const next = { ...this.progress, ...progress };
      WRITE_PROGRESS.run(this.sql, next);
      this.#progress = next;
    });
  }

  /** Runs `work` as one transaction, which is undone whole if it throws. */
  transaction<T>(work: () => T): T {
    try {
      return this.#storage.transactionSync(work);
    } catch (error) {
      this.#row = undefined;
      this.#progress = undefined;
      throw error;
    }
  }

  /** The state of the domain without its devices. */
  get domainState(): DomainState {
    return stateOf(this.row);
  }

  /** The state of the domain as far as these commands need it. */
  stateFor(commands: readonly Command[]): DomainState {
    const { row } = this;
    if (!row) return NEWBORN;
    const guids = new Set<string>();
    const ids: string[] = [];
    const proofs: DeviceProof[] = [];
    for (const command of commands) {
      ids.push(...recordIds(command));
      if ("machineGuid" in command) guids.add(command.machineGuid);
      if (command.type === "register" && command.proof) proofs.push(command.proof);
    }
    const machineGuids = JSON.stringify([...guids]);
    const members =
      guids.size === 0
        ? NEWBORN.members
        : new Map(READ_MEMBERS.run(this.sql, { machineGuids }).map(({ machineGuid, ...rest }) => [machineGuid, rest]));
    const records = new Map(
      READ_RECORDS.run(this.sql, { ids: JSON.stringify(ids) }).map(({ id, command, machineGuid, outcome }) => [
        id,
        { command, machineGuid, grant: JSON.parse(outcome) } as RequestRecord,
      ]),
    );
    const signedLeaves =
      proofs.length === 0
        ? NEWBORN.signedLeaves
        : new Map(
            READ_SIGNED_LEAVES.run(this.sql, { machineGuids }).map(({ machineGuid, signedAt }) => [
              machineGuid,
              signedAt,
            ]),
          );
    const thumbprints = JSON.stringify(proofs.map(({ thumbprint }) => thumbprint));
    const bans = this.#hasBans
      ? new Map(
          READ_BANS.run(this.sql, { machineGuids, thumbprints }).map(({ machineGuid, ...ban }) => [machineGuid, ban]),
        )
      : NEWBORN.bans;
    return { ...stateOf(row), members, records, signedLeaves, bans };
  }

  /** The stored keys above a version, up to another. */
  keys(after: number, upTo: number): readonly StoredKey[] {
    return this.#hasTables ? READ_KEYS.run(this.sql, { after, upTo }) : [];
  }

  /**
   * Writes a commit: the rows that differ, one entry of the log, and what D1 lacks from now on. To be called within a
   * transaction.
   *
   * @param before the state the change was decided on
   * @param newKeys the keys that its events say are made
   * @param now milliseconds since the Unix epoch
   * @param rewrapped the versions of keys that were wrapped anew
   */
  commit(
    before: DomainState,
    change: Change,
    newKeys: readonly StoredKey[],
    now: number,
    rewrapped: readonly number[] = [],
  ): void {
    const { state, events, records } = change;
    const { sql } = this;
    const members = difference(before.members, state.members);
    const bans = difference(before.bans, state.bans);
    const signedLeaves = difference(before.signedLeaves, state.signedLeaves);
    if (members.removed.length > 0) REMOVE_MEMBERS.run(sql, { machineGuids: JSON.stringify(members.removed) });
    if (members.written.length > 0) {
      const rows = members.written.map(([guid, { deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn }]) => {
        return [guid, deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn];
      });
      WRITE_MEMBERS.run(sql, { rows: JSON.stringify(rows) });
    }
    if (bans.removed.length > 0) REMOVE_BANS.run(sql, { machineGuids: JSON.stringify(bans.removed) });
    if (bans.written.length > 0) {
      const rows = bans.written.map(([guid, ban]) => [guid, ban.deviceKeyThumbprint, ban.reason, ban.by, ban.bannedAt]);
      WRITE_BANS.run(sql, { rows: JSON.stringify(rows) });
    }
    if (newKeys.length > 0) {
      const rows = newKeys.map((key) => [
        key.keyVersion,
        key.publicJwk,
        key.wrappedPrivateJwk,
        key.keyEncryptionKid,
        key.createdAt,
      ]);
      WRITE_KEYS.run(sql, { rows: JSON.stringify(rows) });
    }
    if (records.size > 0) {
      const rows = [...records].map(([id, { command, machineGuid, grant }]) => {
        return [id, command, machineGuid, JSON.stringify(grant)];
      });
      WRITE_RECORDS.run(sql, { rows: JSON.stringify(rows), recordedAt: now });
    }
    if (signedLeaves.written.length > 0) {
      WRITE_SIGNED_LEAVES.run(sql, { rows: JSON.stringify(signedLeaves.written), recordedAt: now });
    }
    const head = this.#append(state.revision, events, now);
    const { settings, keyRolloverRequired, keyVersion, retiredUpTo, memberCount, revision } = state;
    const row: DomainRow = {
      domain: this.#name,
      authenticationRequired: Number(settings.authenticationRequired),
      authNamespace: settings.authNamespace,
      maxMembership: settings.maxMembership,
      deviceKeyRequired: Number(settings.deviceKeyRequired),
      keyRolloverRequired: Number(keyRolloverRequired),
      memberCount,
      keyVersion,
      retiredUpTo,
      revision,
      head,
      createdAt: this.row?.createdAt ?? now,
      updatedAt: now,
    };
    WRITE_DOMAIN.run(sql, row);
    APPEND_TO_OUTBOX.run(sql, {
      revision,
      members: JSON.stringify([...members.removed, ...members.written.map(([guid]) => guid)]),
      keys: JSON.stringify([...rewrapped, ...newKeys.map((key) => key.keyVersion)]),
      bans: JSON.stringify([...bans.removed, ...bans.written.map(([guid]) => guid)]),
    });
    if (this.progress.staleSince === null) this.note({ staleSince: now });
    this.#row = row;
    this.#hasBans ||= bans.written.length > 0;
  }

  /** Appends an entry to the log. @returns its hash */
  #append(revision: number, events: Change["events"], now: number): string {
    const logged = loggedChanges(this.#name, events);
    const entry: LogEntry = {
      domain: this.#name,
      revision,
      committedAt: new Date(now).toISOString(),
      previous: this.row?.head ?? null,
      changes: logged,
    };
    const changes = canonicalJson(logged);
    const hash = logHash(entry, changes);
    APPEND_TO_LOG.run(this.sql, { revision, committedAt: now, changes, hash });
    return hash;
  }
}

/** The settings that a row holds. */
export function settingsOf(
  row: Pick<DomainRow, "authenticationRequired" | "authNamespace" | "maxMembership" | "deviceKeyRequired">,
): DomainSettings {
  return {
    authenticationRequired: row.authenticationRequired === 1,
    authNamespace: row.authNamespace,
    maxMembership: row.maxMembership,
    deviceKeyRequired: row.deviceKeyRequired === 1,
  };
}

function stateOf(row: DomainRow | null): DomainState {
  if (!row) return NEWBORN;
  const { revision, keyVersion, retiredUpTo, memberCount } = row;
  const keyRolloverRequired = row.keyRolloverRequired === 1;
  return { ...NEWBORN, revision, settings: settingsOf(row), keyRolloverRequired, keyVersion, retiredUpTo, memberCount };
}

/** The entries to write and the keys to remove so that one map becomes another. */
function difference<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>) {
  return {
    // By identity, not by content: a device that left and came back within one batch is a new membership.
    written: [...after].filter(([key, value]) => before.get(key) !== value),
    removed: [...before.keys()].filter((key) => !after.has(key)),
  };
}
