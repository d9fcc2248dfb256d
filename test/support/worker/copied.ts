import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { rows, stored } from "./client.ts";

const TABLES = {
  domain_membership: "machine_guid, device_key_thumbprint, joined_at, signed_at, subject_hash, sealed_name",
  domain_keys: "key_version, public_jwk, wrapped_private_jwk, key_encryption_kid, created_at",
  domain_bans: "machine_guid, device_key_thumbprint, reason, banned_by, banned_at",
  domain_server_info: `authentication_required, auth_namespace, max_membership, device_key_required,
    rollover_interval_seconds, retire_after_days, key_rollover_required, member_count, retired_up_to, revision, head, created_at, updated_at`,
} as const;

/** Everything that D1 has of a domain. */
export function copyOf(domain: string) {
  return everyTable(async (table, columns) => {
    const query = `select ${columns} from ${table} where domain = ? order by 1`;
    return (await env.DB.prepare(query).bind(domain).all()).results;
  });
}

/** The same of its object. */
export function original(domain: string) {
  return everyTable((table, columns) => stored(domain, `select ${columns} from ${table} order by 1`));
}

async function everyTable<Rows>(read: (table: string, columns: string) => Promise<Rows>) {
  const tables = Object.entries(TABLES).map(async ([table, columns]) => [table, await read(table, columns)] as const);
  return Object.fromEntries(await Promise.all(tables));
}

/** Waits until D1 has what the object has of a domain, and holds every row of the one against the other. */
export async function expectCopied(domain: string): Promise<void> {
  await vi.waitFor(async () => expect(await copyOf(domain)).toEqual(await original(domain)), { timeout: 20_000 });
  expect((await rows(domain)).info).toBeDefined();
}
