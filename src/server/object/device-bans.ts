import { DurableObject } from "cloudflare:workers";

/** A device that no domain lets in. */
export type ServerWideBan = Readonly<{
  machineGuid: string;
  /** The thumbprints of the device keys that are banned with it. */
  deviceKeys: readonly string[];
  reason: string;
  bannedBy: string;
  /** In milliseconds since the Unix epoch. */
  bannedAt: number;
}>;

/** The subject of a ban. */
export type NewBan = Omit<ServerWideBan, "bannedAt"> &
  Readonly<{
    requestId: string;
    /** The domains that are about to ban it: lifting the ban lifts theirs as well. */
    domains: readonly string[];
  }>;

/** All machine GUIDs and device keys that are banned, and what tells this state from others. */
export type BannedNames = Readonly<{ version: string; names: readonly string[] }>;

/** The most devices that are banned: each isolate of the Worker keeps all of them in memory. */
export const MAX_BANS = 10_000;
/** The most device keys that are banned with one machine GUID. A device has one, or few. */
export const MAX_KEYS_OF_BAN = 10;

/** The version before the first ban. */
const NO_VERSION = "";
const VERSION = "version";

const TABLES = `
  create table if not exists device_bans (
    machine_guid text primary key not null,
    device_keys text not null,
    reason text not null,
    banned_by text not null,
    banned_at integer not null,
    request_id text not null
  ) strict, without rowid;
  create table if not exists device_ban_domains (
    machine_guid text not null,
    domain text not null,
    primary key (machine_guid, domain)
  ) strict, without rowid;`;

const READ = `
  select machine_guid as machineGuid, device_keys as deviceKeys, reason, banned_by as bannedBy, banned_at as bannedAt,
    request_id as requestId from device_bans`;

type Row = Omit<ServerWideBan, "deviceKeys"> & { deviceKeys: string; requestId: string };

/**
 * The server-wide bans: the one instance that reads and writes them, over its own storage. It has no part in serving a
 * device: each isolate of the Worker keeps a snapshot of them, see `http/known-bans.ts`.
 */
export class DeviceBans extends DurableObject<Env> {
  #hasTables: boolean;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#hasTables = this.#sql.exec("select 1 from sqlite_master where name = 'device_bans'").toArray().length > 0;
  }

  /**
   * Bans a device. A new reason replaces the one before; device keys and domains are added.
   *
   * @returns the ban, whether this request put it, and the domains it added; null if there are too many
   */
  ban(ban: NewBan): Readonly<{ created: boolean; ban: ServerWideBan; added: readonly string[] }> | null {
    return this.ctx.storage.transactionSync(() => {
      this.#makeTables();
      const { machineGuid, requestId, reason, domains } = ban;
      const known = this.#row(machineGuid);
      if (!known && this.#count() >= MAX_BANS) return null;
      const before = known ? banOf(known) : null;
      const deviceKeys = [...new Set([...(before?.deviceKeys ?? []), ...ban.deviceKeys])].slice(0, MAX_KEYS_OF_BAN);
      const isRepeated = before?.reason === reason;
      const { bannedBy, bannedAt } = isRepeated ? before : { bannedBy: ban.bannedBy, bannedAt: Date.now() };
      const createdBy = known?.requestId ?? requestId;
      const keys = JSON.stringify(deviceKeys);
      const row = [machineGuid, keys, reason, bannedBy, bannedAt, createdBy];
      this.#sql.exec("insert or replace into device_bans values (?, ?, ?, ?, ?, ?)", ...row);
      const added = this.#sql
        .exec<{ domain: string }>(
          "insert or ignore into device_ban_domains select ?, value from json_each(?) returning domain",
          machineGuid,
          JSON.stringify(domains),
        )
        .toArray()
        .map(({ domain }) => domain);
      if (known?.deviceKeys !== keys) this.#change(requestId);
      return { created: createdBy === requestId, ban: { machineGuid, deviceKeys, reason, bannedBy, bannedAt }, added };
    });
  }

  /**
   * Lifts a ban.
   *
   * @returns whether this request lifted it, and domains that still ban the device because of it, up to so many
   */
  lift(machineGuid: string, requestId: string, limit: number): Readonly<{ lifted: boolean; domains: string[] }> {
    if (!this.#hasTables) return { lifted: false, domains: [] };
    return this.ctx.storage.transactionSync(() => {
      if (this.#row(machineGuid)) {
        this.#sql.exec("delete from device_bans where machine_guid = ?", machineGuid);
        this.#change(requestId);
      }
      const query = "select domain from device_ban_domains where machine_guid = ? order by domain limit ?";
      const domains = this.#sql.exec<{ domain: string }>(query, machineGuid, limit).toArray();
      // A repeat of the request that lifted it says so too.
      return { lifted: this.#version === requestId, domains: domains.map(({ domain }) => domain) };
    });
  }

  /** Takes note that domains have lifted their bans. Those of a device that is banned again remain. */
  forgetDomains(machineGuid: string, domains: readonly string[]): void {
    if (this.#hasTables && !this.#row(machineGuid)) this.leaveOut(machineGuid, domains);
  }

  /** Takes note that domains ban the device for reasons of their own: lifting the server-wide ban must not lift theirs. */
  leaveOut(machineGuid: string, domains: readonly string[]): void {
    this.#sql.exec(
      "delete from device_ban_domains where machine_guid = ? and domain in (select value from json_each(?))",
      machineGuid,
      JSON.stringify(domains),
    );
  }

  /** The ban of a device; null if there is none. */
  find(machineGuid: string): ServerWideBan | null {
    const row = this.#hasTables ? this.#row(machineGuid) : undefined;
    return row ? banOf(row) : null;
  }

  /** Bans by machine GUID, after one of them. */
  list({ after, limit }: Readonly<{ after: string | null; limit: number }>): readonly ServerWideBan[] {
    if (!this.#hasTables) return [];
    const query = `${READ} where machine_guid > ? order by machine_guid limit ?`;
    return this.#sql
      .exec<Row>(query, after ?? "", limit)
      .toArray()
      .map(banOf);
  }

  /** All that is banned; null if that is still what a version stands for. */
  names(known: string | null): BannedNames | null {
    const version = this.#version;
    if (version === known) return null;
    if (!this.#hasTables) return { version, names: [] };
    const rows = this.#sql.exec<Row>(READ).toArray().map(banOf);
    return { version, names: rows.flatMap(({ machineGuid, deviceKeys }) => [machineGuid, ...deviceKeys]) };
  }

  get #sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  /** The id of the newest request that changed what is banned. */
  get #version(): string {
    return this.ctx.storage.kv.get<string>(VERSION) ?? NO_VERSION;
  }

  #change(requestId: string): void {
    this.ctx.storage.kv.put(VERSION, requestId);
  }

  #row(machineGuid: string): Row | undefined {
    return this.#sql.exec<Row>(`${READ} where machine_guid = ?`, machineGuid).toArray()[0];
  }

  #count(): number {
    return this.#sql.exec<{ bans: number }>("select count(*) as bans from device_bans").one().bans;
  }

  /** Before the first ban, nothing is written here. */
  #makeTables(): void {
    if (this.#hasTables) return;
    this.#sql.exec(TABLES);
    this.#hasTables = true;
  }
}

function banOf({ requestId: _, deviceKeys, ...row }: Row): ServerWideBan {
  return { ...row, deviceKeys: JSON.parse(deviceKeys) };
}
