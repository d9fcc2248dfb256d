import { DEFAULT_SETTINGS, type DeviceKeyBinding, type DomainSettings } from "../../src/domain/types.ts";

/** A row of `domain_server_info`. */
export type InfoRow = DomainSettings & Readonly<{ keyRolloverRequired: boolean; memberCount: number }>;

/** A row of `domain_keys`. */
export type KeyRow = Readonly<{ keyVersion: number; publicJwk: string; wrappedPrivateJwk: string }>;

/** The effect of a change on the counters and flags of a domain. */
type InfoChange = Readonly<{ members: number; keyRolloverRequired: boolean }>;

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
    const row = await this.#sql`select * from domain_server_info where domain = ${this.domain}`.first();
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
    await this.#sql`insert into domain_server_info (domain, revision, created_at, updated_at)
      values (${this.domain}, 0, ${now}, ${now})`.run();
  }

  /** A membership; null if the device is not a member. */
  member(machineGuid: string): Promise<DeviceKeyBinding | null> {
    return this.#sql`select device_key_thumbprint as deviceKeyThumbprint, signed_at as signedAt
      from domain_membership where domain = ${this.domain} and machine_guid = ${machineGuid}`.first();
  }

  async insertMember(machineGuid: string, { deviceKeyThumbprint, signedAt }: DeviceKeyBinding): Promise<void> {
    await this.#sql`insert into domain_membership (domain, machine_guid, device_key_thumbprint, joined_at, signed_at)
      values (${this.domain}, ${machineGuid}, ${deviceKeyThumbprint}, ${Date.now()}, ${signedAt})`.run();
  }

  async bindDeviceKey(machineGuid: string, { deviceKeyThumbprint, signedAt }: DeviceKeyBinding): Promise<void> {
    await this.#sql`update domain_membership set device_key_thumbprint = ${deviceKeyThumbprint}, signed_at = ${signedAt}
      where domain = ${this.domain} and machine_guid = ${machineGuid}`.run();
  }

  async deleteMember(machineGuid: string): Promise<void> {
    await this.#sql`delete from domain_membership
      where domain = ${this.domain} and machine_guid = ${machineGuid}`.run();
  }

  /** All keys of the domain, oldest first. */
  async keys(): Promise<readonly KeyRow[]> {
    const { results } = await this.#sql`select key_version as keyVersion, public_jwk as publicJwk,
        wrapped_private_jwk as wrappedPrivateJwk
      from domain_keys where domain = ${this.domain} order by key_version`.all<KeyRow>();
    return results;
  }

  async insertKey({ keyVersion, publicJwk, wrappedPrivateJwk }: KeyRow): Promise<void> {
    await this.#sql`insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, created_at)
      values (${this.domain}, ${keyVersion}, ${publicJwk}, ${wrappedPrivateJwk}, ${Date.now()})`.run();
  }

  async updateSettings(settings: DomainSettings): Promise<void> {
    const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = settings;
    await this.#sql`update domain_server_info set authentication_required = ${authenticationRequired ? 1 : 0},
        auth_namespace = ${authNamespace}, max_membership = ${maxMembership},
        device_key_required = ${deviceKeyRequired ? 1 : 0}
      where domain = ${this.domain}`.run();
  }

  /** When the device's last signed leave was signed; null if there was none. */
  lastSignedLeave(machineGuid: string): Promise<number | null> {
    return this.#sql`select max(signed_at) as signedAt from domain_requests
      where domain = ${this.domain} and machine_guid = ${machineGuid} and action = 'deregister'`.first("signedAt");
  }

  /** The request of a device under an idempotency key; null if that key is not on record. */
  requestedAction(machineGuid: string, idempotencyKey: string): Promise<string | null> {
    return this.#sql`select action from domain_requests
      where domain = ${this.domain} and machine_guid = ${machineGuid}
        and idempotency_key = ${idempotencyKey}`.first("action");
  }

  async insertRequest(
    machineGuid: string,
    idempotencyKey: string,
    action: string,
    signedAt: number | null,
  ): Promise<void> {
    await this.#sql`insert into domain_requests
        (domain, machine_guid, idempotency_key, action, signed_at, recorded_at)
      values (${this.domain}, ${machineGuid}, ${idempotencyKey}, ${action}, ${signedAt}, ${Date.now()})`.run();
  }

  /** Counts a change and writes it to the log, in one call. */
  async record({ members, keyRolloverRequired }: InfoChange, changes: readonly object[]): Promise<void> {
    const now = Date.now();
    await this.#db.batch([
      this.#sql`update domain_server_info set member_count = member_count + ${members},
          key_rollover_required = ${keyRolloverRequired ? 1 : 0}, revision = revision + 1, updated_at = ${now}
        where domain = ${this.domain}`,
      this.#sql`insert into domain_log (domain, revision, committed_at, changes)
        select domain, revision, ${now}, ${JSON.stringify(changes)} from domain_server_info
        where domain = ${this.domain}`,
    ]);
  }

  /** A statement with its values. */
  #sql(parts: TemplateStringsArray, ...values: unknown[]): D1PreparedStatement {
    return this.#db.prepare(parts.join("?")).bind(...values);
  }
}
