import type { DomainError, Refusal } from "../../domain/refusals.ts";
import { withDeadline } from "../deadline.ts";

/** The kinds of failed D1 calls. */
type D1Failure =
  /** D1 took on too much and did not run the call. */
  | "overloaded"
  /** The connection or the database went away in mid-call: it may or may not have happened. */
  | "transient"
  /** The tables are not there. */
  | "unmigrated"
  /** A fault of ours, which no repetition mends. */
  | "permanent";

// D1 reports every failure as a message. These are the ones that its documentation lists and says what to do about.
const SIGNS: readonly (readonly [D1Failure, RegExp])[] = [
  ["overloaded", /overloaded|Too many requests queued/i],
  ["unmigrated", /no such (table|column)/i],
  [
    "transient",
    /Network connection lost|storage (operation|caused)|reset|timed? ?out|timeout|internal error|Cannot resolve D1|isn't responding|connection|broken/i,
  ],
];

/** The error that a request is refused with, for each failure. */
export const ERROR_OF: Readonly<Record<D1Failure, DomainError>> = {
  overloaded: "OVERLOADED",
  transient: "TEMPORARILY_UNAVAILABLE",
  unmigrated: "INTERNAL_ERROR",
  permanent: "INTERNAL_ERROR",
};

/** How long a D1 call may take. */
const CALL_MILLISECONDS = 10_000;

/**
 * Sorts an error thrown by D1, or by Drizzle around it, by what to do about it.
 *
 * @see Cloudflare D1 documentation, "Debug D1", section "List of D1 errors"
 */
export function d1Failure(error: unknown): D1Failure {
  const message = messages(error);
  return SIGNS.find(([, sign]) => sign.test(message))?.[0] ?? "permanent";
}

/** The refusal for an error that D1 threw, or anything else. Error classes do not survive RPC; this does. */
export function failureRefusal(error: unknown): Readonly<{ granted: false; refusal: Refusal }> {
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
  return { granted: false, refusal: { error: ERROR_OF[d1Failure(error)], reason } };
}

/** Advice for an operator about a D1 error, as a log field; nothing where only waiting or mending code helps. */
export function d1Advice(error: unknown): { advice?: string } {
  return d1Failure(error) === "unmigrated" ? { advice: "apply the migrations: npm run db:migrate" } : {};
}

/** Gives up on a call that D1 leaves hanging; like a lost connection, it may still happen. */
export function inTime<T>(call: Promise<T>): Promise<T> {
  return withDeadline(call, CALL_MILLISECONDS, "timeout: no answer from D1");
}

/** The messages of an error and of everything that caused it. */
function messages(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 8; at = at.cause) parts.push(at.message);
  return parts.join("\n");
}
