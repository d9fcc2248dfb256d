import { decodeJwt, type JWK } from "jose";
import { type LogCheckpoint, replayed, stateAfterCut } from "../../domain/log-replay.ts";
import { signLogCheckpoint } from "../crypto/log-statements.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { readCheckpoint, readLog } from "./storage/log.ts";

const ENTRIES_AT_A_TIME = 500;

/**
 * Cuts entries from before a time off the log, oldest first, and signs what it had come to there. The newest entry always
 * stays: the next one is hashed over it.
 *
 * @param until milliseconds since the Unix epoch
 * @param now milliseconds since the Unix epoch
 */
export async function cutLog(
  storage: DomainStorage,
  until: number,
  now: number,
  authority: Readonly<{ issuer: string; key: JWK }>,
): Promise<void> {
  for (;;) {
    const { rows, cut } = readLog(storage, { order: "oldest", after: null, limit: ENTRIES_AT_A_TIME + 1 });
    const firstKept = rows.findIndex(({ committedAt }) => Date.parse(committedAt) >= until);
    const old = firstKept === -1 ? rows : rows.slice(0, firstKept);
    const newestIsAmongThem = old.length === rows.length && !cut && rows.length <= ENTRIES_AT_A_TIME;
    const entries = newestIsAmongThem ? old.slice(0, -1) : old.slice(0, ENTRIES_AT_A_TIME);
    const last = entries.at(-1);
    if (!last) return;
    const forged = entries.find(({ hash, mac }) => !storage.logMacs.isOf(hash, mac));
    if (forged) throw new Error(`entry ${forged.revision} of the log was not written by this server`);
    const before = readCheckpoint(storage);
    const start = stateAfterCut(before && decodeJwt<LogCheckpoint>(before.statement));
    const checkpoint = { revision: last.revision, hash: last.hash, state: entries.reduce(replayed, start) };
    const statement = await signLogCheckpoint(storage.name, checkpoint, authority.issuer, now, authority.key);
    storage.transaction(() => {
      // Gone with the domain, if it was deleted meanwhile.
      if (storage.sql.exec("select 1 from domain_log where hash = ?", last.hash).toArray().length === 0) return;
      storage.sql.exec("delete from domain_log_checkpoint");
      storage.sql.exec("insert into domain_log_checkpoint values (?, ?, ?)", last.revision, last.hash, statement);
      storage.sql.exec("delete from domain_log where revision <= ?", last.revision);
    });
  }
}
