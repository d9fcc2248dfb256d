import type { JWK } from "jose";
import type { LogCheckpoint } from "../../domain/log-replay.ts";
import { LOG_CHECKPOINT_TYPE, LOG_HEAD_TYPE } from "../../protocol/token-types.ts";
import { signStatement } from "./signed-statements.ts";

/** The newest entry of a log: its revision and its hash, which is null if the log holds none. */
export type LogHead = Readonly<{ domain: string; revision: number; hash: string | null }>;

/**
 * Signs what a log has come to now: claims `iss`, `sub` (the domain), `revision`, `hash`, `iat`.
 *
 * @param issuer this server's URL
 * @param now milliseconds since the Unix epoch
 */
export function signLogHead(
  { domain, revision, hash }: LogHead,
  issuer: string,
  now: number,
  key: JWK,
): Promise<string> {
  return signStatement(LOG_HEAD_TYPE, { revision, hash }, { issuer, domain, issuedAt: now }, key);
}

/** Signs where a log was cut, and what the domain was there: claims as of a head, and `state`. */
export function signLogCheckpoint(
  domain: string,
  { revision, hash, state }: LogCheckpoint,
  issuer: string,
  now: number,
  key: JWK,
): Promise<string> {
  return signStatement(LOG_CHECKPOINT_TYPE, { revision, hash, state }, { issuer, domain, issuedAt: now }, key);
}
