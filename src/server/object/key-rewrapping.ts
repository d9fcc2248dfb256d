import type { JWK } from "jose";
import { KeyWrappingError, unwrapPrivateKey, wrapPrivateKey } from "../crypto/key-wrapping.ts";
import { log } from "../worker-log.ts";
import { resealNames } from "./name-resealing.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import type { StoredDomainKey } from "./storage/statements.ts";

/** How many keys are wrapped in one commit. */
const KEYS_AT_A_TIME = 250;
/** Noted while a run is under way. A commit that needs another run, and a deletion, take it back. */
const UNDER_WAY = "";
/** How many log entries are read at a time. */
const ENTRIES_AT_A_TIME = 1_000;
/** How many keys that do not open a run logs one by one. */
const MAX_LOGGED = 20;

/** The result of a run: how many keys it wrapped anew, and how many did not open. */
export type RewrapRun = Readonly<{ rewrapped: number; locked: number }>;

/** A key with its new wrapping. */
type Rewrapped = Readonly<{ key: WrappedKey; wrapped: string }>;

type WrappedKey = Pick<StoredDomainKey, "keyVersion" | "wrappedPrivateJwk">;

/**
 * Wraps the private keys of a domain with the first of the key-encryption keys that rest under another one, and seals the
 * names of its devices with it. What does not open stays as it is.
 *
 * @param keyEncryptionKeys symmetric 256-bit JWKs with `kid`
 * @param committed called in the transaction of each commit
 */
export async function rewrapKeys(
  storage: DomainStorage,
  keyEncryptionKeys: readonly [JWK, ...JWK[]],
  committed: (now: number) => void,
): Promise<RewrapRun> {
  const kid = keyEncryptionKeys[0].kid as string;
  storage.note({ rewrappedKid: UNDER_WAY });
  // First, so that the key before may go once the database says that all keys are wrapped.
  await renewMacs(storage);
  await resealNames(storage, keyEncryptionKeys, committed);
  let [after, rewrapped, locked] = [0, 0, 0];
  for (;;) {
    const keys = storage.sql
      .exec<WrappedKey>(
        `select key_version as keyVersion, wrapped_private_jwk as wrappedPrivateJwk from domain_keys
          where key_version > ? and key_encryption_kid <> ? order by key_version limit ?`,
        after,
        kid,
        KEYS_AT_A_TIME,
      )
      .toArray();
    const results = await Promise.all(keys.map((key) => rewrap(storage.name, key, keyEncryptionKeys)));
    for (const result of results) {
      if (typeof result === "string" && locked++ < MAX_LOGGED)
        log("error", "a domain key does not open", { fault: result });
    }
    const done = results.filter((result): result is Rewrapped => typeof result !== "string");
    rewrapped += write(storage, done, kid, committed);
    after = keys.at(-1)?.keyVersion ?? after;
    if (keys.length < KEYS_AT_A_TIME) break;
  }
  if (storage.progress.rewrappedKid === UNDER_WAY) storage.note({ rewrappedKid: kid });
  return { rewrapped, locked };
}

/** Makes the MACs of log entries anew that are by a former key. One that is forged stays as it is. */
async function renewMacs({ sql, logMacs }: DomainStorage): Promise<void> {
  for (let after = 0; ; ) {
    const entries = sql
      .exec<{ revision: number; hash: string; mac: string }>(
        "select revision, hash, mac from domain_log where revision > ? order by revision limit ?",
        after,
        ENTRIES_AT_A_TIME,
      )
      .toArray();
    for (const { revision, hash, mac } of entries) {
      if (logMacs.isPresent(mac) || !logMacs.isOf(hash, mac)) continue;
      sql.exec("update domain_log set mac = ? where revision = ?", logMacs.of(hash), revision);
    }
    const last = entries.at(-1);
    if (!last) return;
    after = last.revision;
    // The log may be long, and devices wait.
    await scheduler.wait(0);
  }
}

/** A key with its new wrapping, or why it does not open. */
async function rewrap(domain: string, key: WrappedKey, keys: readonly [JWK, ...JWK[]]): Promise<Rewrapped | string> {
  const place = { domain, keyVersion: key.keyVersion };
  try {
    return {
      key,
      wrapped: await wrapPrivateKey(await unwrapPrivateKey(key.wrappedPrivateJwk, place, keys), place, keys),
    };
  } catch (error) {
    if (error instanceof KeyWrappingError) return error.message;
    throw error;
  }
}

/** Writes new wrappings in one commit. @returns how many: those that no other run wrote meanwhile */
function write(
  storage: DomainStorage,
  all: readonly Rewrapped[],
  kid: string,
  committed: (now: number) => void,
): number {
  const now = Date.now();
  return storage.transaction(() => {
    const keys = all.filter(({ key }) => {
      const [stored] = storage.keys(key.keyVersion - 1, key.keyVersion);
      // Gone with the domain, if it was deleted meanwhile.
      return stored !== undefined && stored.keyEncryptionKid !== kid;
    });
    if (keys.length === 0) return 0;
    for (const { key, wrapped } of keys) {
      storage.sql.exec(
        "update domain_keys set wrapped_private_jwk = ?, key_encryption_kid = ? where key_version = ?",
        wrapped,
        kid,
        key.keyVersion,
      );
    }
    const before = storage.domainState;
    const state = { ...before, revision: before.revision + 1 };
    const event = { type: "keys-rewrapped", keyEncryptionKid: kid, keys: keys.length } as const;
    const versions = keys.map(({ key }) => key.keyVersion);
    storage.commit(before, { state, events: [event], records: new Map() }, [], now, { rewrapped: versions });
    committed(now);
    return keys.length;
  });
}
