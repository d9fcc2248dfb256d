import { type JWK, SignJWT } from "jose";
import type { LogCheckpoint } from "../../domain/log-replay.ts";
import { LOG_CHECKPOINT_TYPE, LOG_HEAD_TYPE } from "../../protocol/token-types.ts";

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
  return sign({ revision, hash }, LOG_HEAD_TYPE, domain, issuer, now, key);
}

/** Signs where a log was cut, and what the domain was there: claims as of a head, and `state`. */
export function signLogCheckpoint(
  domain: string,
  { revision, hash, state }: LogCheckpoint,
  issuer: string,
  now: number,
  key: JWK,
): Promise<string> {
  return sign({ revision, hash, state }, LOG_CHECKPOINT_TYPE, domain, issuer, now, key);
}

function sign(
  claims: Record<string, unknown>,
  typ: string,
  domain: string,
  issuer: string,
  now: number,
  key: JWK,
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ, kid: key.kid as string })
    .setIssuer(issuer)
    .setSubject(domain)
    .setIssuedAt(Math.floor(now / 1000))
    .sign(key);
}
