import { DEFAULT_SETTINGS, type DeviceKeyBinding, type DomainSettings } from "../../src/domain/types.ts";

/** A row of `domain_server_info`. */
export type InfoRow = DomainSettings & Readonly<{ keyRolloverRequired: boolean; memberCount: number }>;

/** A row of `domain_keys`. */
export type KeyRow = Readonly<{ keyVersion: number; publicJwk: string; wrappedPrivateJwk: string }>;

/** The effect of a change on the counters and flags of a domain. */
export type InfoChange = Readonly<{ members: number; keyRolloverRequired: boolean }>;

/** The tables of one domain: each method is one call to the database. */
export class Tables {
  readonly domain: string;
  readonly #db: D1Database;

  constructor(database: D1Database, domain: string) {
    this.#db = database;
    this.domain = domain;
  }

  /** The domain's own row; null if there is no such domain. */
  async info(): Promise<InfoRow | null> {
    const row = await this.#one<Record<string, number | string | null>>(
      "select * from domain_server_info where domain = ?",
      this.domain,
    );
    return (
      row && {
        ...DEFAULT_SETTINGS,
        authenticationRequired: row.authentication_required === 1,
        authNamespace: row.auth_namespace as string | null,
        maxMembership: row.max_membership as number | null,
        deviceKeyRequired: row.device_key_required === 1,
        keyRolloverRequired: row.key_rollover_required === 1,
        memberCount: row.member_count as number,
      }
    );
  }

  /** Creates the domain with the default settings. */
  async insertInfo(): Promise<void> {
    const now = Date.now();
    await this.#run(
      "insert into domain_server_info (domain, revision, created_at, updated_at) values (?, 0, ?, ?)",
      this.domain,
      now,
      now,
    );
  }

  /** A membership; null if the device is not a member. */
  member(machineGuid: string): Promise<DeviceKeyBinding | null> {
    return this.#one(
      `select device_key_thumbprint as deviceKeyThumbprint, signed_at as signedAt from domain_membership
       where domain = ? and machine_guid = ?`,
      this.domain,
      machineGuid,
    );
  }

  async insertMember(machineGuid: string, { deviceKeyThumbprint, signedAt }: DeviceKeyBinding): Promise<void> {
    await this.#run(
      `insert into domain_membership (domain, machine_guid, device_key_thumbprint, joined_at, signed_at)
       values (?, ?, ?, ?, ?)`,
      this.domain,
      machineGuid,
      deviceKeyThumbprint,
      Date.now(),
      signedAt,
    );
  }

  async bindDeviceKey(machineGuid: string, { deviceKeyThumbprint, signedAt }: DeviceKeyBinding): Promise<void> {
    await this.#run(
      "update domain_membership set device_key_thumbprint = ?, signed_at = ? where domain = ? and machine_guid = ?",
      deviceKeyThumbprint,
      signedAt,
      this.domain,
      machineGuid,
    );
  }

  async deleteMember(machineGuid: string): Promise<void> {
    await this.#run("delete from domain_membership where domain = ? and machine_guid = ?", this.domain, machineGuid);
  }

  /** All keys of the domain, oldest first. */
  async keys(): Promise<readonly KeyRow[]> {
    const { results } = await this.#db
      .prepare(
        `select key_version as keyVersion, public_jwk as publicJwk, wrapped_private_jwk as wrappedPrivateJwk
         from domain_keys where domain = ? order by key_version`,
      )
      .bind(this.domain)
      .all<KeyRow>();
    return results;
  }

  async insertKey({ keyVersion, publicJwk, wrappedPrivateJwk }: KeyRow): Promise<void> {
    await this.#run(
      `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, created_at)
       values (?, ?, ?, ?, ?)`,
      this.domain,
      keyVersion,
      publicJwk,
      wrappedPrivateJwk,
      Date.now(),
    );
  }

  async updateSettings({ authenticationRequired, authNamespace, maxMembership, deviceKeyRequired }: DomainSettings) {
    await this.#run(
      `update domain_server_info set authentication_required = ?, auth_namespace = ?, max_membership = ?,
         device_key_required = ? where domain = ?`,
      authenticationRequired ? 1 : 0,
      authNamespace,
      maxMembership,
      deviceKeyRequired ? 1 : 0,
      this.domain,
    );
  }

  /** When the device's last signed leave was signed; null if there was none. */
  async lastSignedLeave(machineGuid: string): Promise<number | null> {
    const row = await this.#one<{ signedAt: number | null }>(
      `select max(signed_at) as signedAt from domain_requests
       where domain = ? and machine_guid = ? and action = 'deregister'`,
      this.domain,
      machineGuid,
    );
    return row?.signedAt ?? null;
  }

  /** The request of a device under an idempotency key; null if that key is not on record. */
  async requestedAction(machineGuid: string, idempotencyKey: string): Promise<string | null> {
    const row = await this.#one<{ action: string }>(
      "select action from domain_requests where domain = ? and machine_guid = ? and idempotency_key = ?",
      this.domain,
      machineGuid,
      idempotencyKey,
    );
    return row?.action ?? null;
  }

  async insertRequest(
    machineGuid: string,
    idempotencyKey: string,
    action: string,
    signedAt: number | null,
  ): Promise<void> {
    await this.#run(
      `insert into domain_requests (domain, machine_guid, idempotency_key, action, signed_at, recorded_at)
       values (?, ?, ?, ?, ?, ?)`,
      this.domain,
      machineGuid,
      idempotencyKey,
      action,
      signedAt,
      Date.now(),
    );
  }

  /** Counts a change and writes it to the log, in one call. */
  async record({ members, keyRolloverRequired }: InfoChange, changes: readonly object[]): Promise<void> {
    const now = Date.now();
    await this.#db.batch([
      this.#db
        .prepare(
          `update domain_server_info set member_count = member_count + ?, key_rollover_required = ?,
             revision = revision + 1, updated_at = ? where domain = ?`,
        )
        .bind(members, keyRolloverRequired ? 1 : 0, now, this.domain),
      this.#db
        .prepare(
          `insert into domain_log (domain, revision, committed_at, changes)
           select domain, revision, ?, ? from domain_server_info where domain = ?`,
        )
        .bind(now, JSON.stringify(changes), this.domain),
    ]);
  }

  async #one<Row>(sql: string, ...values: unknown[]): Promise<Row | null> {
    const { results } = await this.#db
      .prepare(sql)
      .bind(...values)
      .all<Row>();
    return results[0] ?? null;
  }

  async #run(sql: string, ...values: unknown[]): Promise<void> {
    await this.#db
      .prepare(sql)
      .bind(...values)
      .run();
  }
}
