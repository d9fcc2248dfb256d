import type { JWK } from "jose";
import { KeyWrappingError, keyEncryptionKid, unwrapPrivateKey, wrapPrivateKey } from "../crypto/key-wrapping.ts";
import {
  hasUnclassifiedKeys,
  keysWrappedWith,
  type Rewrapping,
  readKeyEncryptionUses,
  type WrappedKey,
  writeRewrappings,
} from "../database/key-encryption.ts";
import { log } from "../log.ts";

/** Keeps what is written at a time far below what D1 takes in one parameter. */
const KEYS_AT_A_TIME = 250;
/** How many keys that do not open a run tells of one by one. */
const MAX_LOGGED = 20;

/** What a run came to: how many rows it wrote, and how many keys it came upon that do not open. */
export type RewrapRun = Readonly<{ rewrapped: number; locked: number }>;

/**
 * Wraps domain keys with the first of the key-encryption keys that rest under another one, so many batches at the most;
 * what is left over is for the next run. Runs may be cut short anywhere, and may go beside each other and all else.
 *
 * A key that does not open stays as it is. Rows that do not note what wraps them note it from now on; one that names a
 * key-encryption key that is not configured is left, for nobody can tell whether that ever was one of ours.
 *
 * @param keyEncryptionKeys symmetric 256-bit JWKs with `kid`
 */
export async function rewrapKeys(
  database: D1Database,
  keyEncryptionKeys: readonly JWK[],
  batches: number,
): Promise<RewrapRun> {
  const walks = await walksToMake(database, keyEncryptionKeys);
  let [rewrapped, locked] = [0, 0];
  // In turns, so that keys that do not open under one `kid` hold up none under another.
  for (let batch = 0; batch < batches; batch++) {
    const walk = walks.shift();
    if (!walk) break;
    const keys = await keysWrappedWith(database, walk.kid, walk.after, KEYS_AT_A_TIME);
    const results = await Promise.all(keys.map((key) => rewrapping(key, keyEncryptionKeys)));
    for (const { fault } of results) {
      if (fault !== null && locked++ < MAX_LOGGED) log("error", "a domain key does not open", { fault });
    }
    const writes = results.flatMap(({ write }) => write ?? []);
    if (writes.length > 0) rewrapped += await writeRewrappings(database, writes);
    if (keys.length === KEYS_AT_A_TIME) walks.push({ kid: walk.kid, after: keys.at(-1) ?? null });
  }
  return { rewrapped, locked };
}

/** A walk over the rows that note one `kid`, or none, from a row on. */
type Walk = Readonly<{ kid: string | null; after: WrappedKey | null }>;

async function walksToMake(database: D1Database, keyEncryptionKeys: readonly JWK[]): Promise<Walk[]> {
  const [uses, unclassified] = await Promise.all([readKeyEncryptionUses(database), hasUnclassifiedKeys(database)]);
  const former = keyEncryptionKeys.slice(1).map(({ kid }) => kid);
  const kids = uses.map(({ kid }) => kid).filter((kid) => former.includes(kid));
  return [...(unclassified ? [null] : []), ...kids].map((kid) => ({ kid, after: null }));
}

/** What to write for a key, if anything, and why it does not open, if it does not. */
async function rewrapping(
  before: WrappedKey,
  keyEncryptionKeys: readonly JWK[],
): Promise<Readonly<{ write: Rewrapping | null; fault: string | null }>> {
  const { wrappedPrivateJwk } = before;
  const kid = keyEncryptionKid(wrappedPrivateJwk);
  const [first] = keyEncryptionKeys;
  const as = (text: string, keyEncryptionKid: string): Rewrapping => {
    return { before, wrappedPrivateJwk: text, keyEncryptionKid };
  };
  if (kid !== null && kid === first?.kid) return { write: as(wrappedPrivateJwk, kid), fault: null };
  try {
    const privateJwk = await unwrapPrivateKey(wrappedPrivateJwk, before, keyEncryptionKeys);
    const rewrapped = await wrapPrivateKey(privateJwk, before, keyEncryptionKeys);
    return { write: as(rewrapped, first?.kid as string), fault: null };
  } catch (error) {
    if (!(error instanceof KeyWrappingError)) throw error;
    const named = before.keyEncryptionKid === null && keyEncryptionKeys.some((each) => each.kid === kid);
    return { write: named ? as(wrappedPrivateJwk, kid as string) : null, fault: error.message };
  }
}
