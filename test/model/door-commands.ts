import type { Command } from "../../src/domain/commands.ts";
import type { DomainError } from "../../src/domain/refusals.ts";
import type { AuthEvidence, Outcome } from "../../src/domain/types.ts";
import type { Credential } from "./domain-client.ts";
import type { DoorDeletion } from "./door-requests.ts";
import { type Answer, type Change, older, type SettingsSent, type TokenKind, type Versions } from "./requests.ts";
import { subjectHashOf, TOKEN_SUBJECTS } from "./subjects.ts";

/** The outcome of a command; null if nobody knows. */
export type DoorOutcome = Outcome<Readonly<Record<string, unknown>> | null> | null;

/** The names of a change in a domain. */
type Names = Readonly<{ requestId: string; machineGuid: string; idempotencyKey: (key: number) => string }>;

const BY = "the model";
/** How many credentials the Worker lets a device have at once. */
const MOST_CREDENTIALS = 100;

/** The statuses of refusals, by their errors. */
const STATUSES: Partial<Record<DomainError, number>> = {
  DOM_AUTHENTICATION_REQUIRED: 401,
  DOM_LIMIT_REACHED: 409,
  DEREG_DENIED: 403,
  INVALID_REQUEST: 400,
  DEVICE_KEY_REQUIRED: 401,
  DEVICE_BANNED: 403,
  IDEMPOTENCY_KEY_REUSED: 422,
  DOMAIN_NOT_FOUND: 404,
  NOT_FOUND: 404,
  OVERLOADED: 503,
  TEMPORARILY_UNAVAILABLE: 503,
};

/** The deletion of a domain as the Worker asks its object for it. */
export function doorDeletion(requestId: string): DoorDeletion {
  return { requestId, by: BY };
}

/** A change as the Worker hands it to the domain's object. */
export function doorCommand(
  change: Exclude<Change, { ask: "delete" }>,
  { requestId, machineGuid, idempotencyKey }: Names,
): Command {
  switch (change.ask) {
    case "register": {
      const { afterKeyVersion, newest, token } = change;
      const auth = evidence(token);
      const wanted = { afterKeyVersion: afterKeyVersion ?? 0, maxCredentials: newest ? 1 : MOST_CREDENTIALS };
      const rest = { proof: null, creationRefusal: null, sealed: false };
      return { type: "register", requestId, machineGuid, auth, ...wanted, ...rest };
    }
    case "deregister": {
      const { preview, key, token } = change;
      const auth = evidence(token);
      const keyed = { idempotencyKey: key === null ? null : idempotencyKey(key) };
      return { type: "deregister", requestId, machineGuid, auth, preview, proof: null, ...keyed };
    }
    case "replace-settings":
    case "merge-settings": {
      const mode = change.ask === "replace-settings" ? "replace" : "merge";
      return { type: "settings", requestId, by: BY, mode, patch: patchOf(change.settings) };
    }
    case "rollover":
      return { type: "rollover", requestId, by: BY, when: change.when };
    case "due-rollover":
      return { type: "due-rollover", requestId };
    case "retire":
      return { type: "retire", requestId, by: BY, upTo: change.upTo };
    case "ban":
      return { type: "ban", requestId, by: BY, machineGuid, reason: change.reason };
    case "remove":
      return { type: "remove", requestId, machineGuids: [machineGuid], auth: evidence(change.token) };
    case "evict":
    case "unban":
      return { type: change.ask, requestId, by: BY, machineGuid };
  }
}

/** Takes in what outcomes bring. */
type Keep = Readonly<{
  /** @returns their versions */
  credentials: (credentials: readonly Credential[]) => number[];
  statement: (statement: string, keyVersion: number) => void;
}>;

/** An outcome in the words of the model. */
export function doorAnswer(change: Change, outcome: DoorOutcome, keep: Keep): Answer | null {
  const { ask } = change;
  if (outcome === null) return null;
  if (!outcome.granted) {
    // The Worker looks at an owner's token before it asks for the domain.
    const isUnknown = ask === "remove" && ["none", "forged"].includes(change.token);
    const error = isUnknown ? "DOM_AUTHENTICATION_REQUIRED" : outcome.refusal.error;
    return { status: STATUSES[error] ?? 500, error };
  }
  // Of a deletion that found no domain.
  if (outcome.grant === null) return { status: 404, error: "DOMAIN_NOT_FOUND" };
  const { created, newMember, keyVersion, credentials, olderKeyVersions, ...rest } = outcome.grant as Grant;
  const { statement, deregistered, evicted, banned, removed } = rest;
  switch (ask) {
    case "register": {
      const listed = { credentials: keep.credentials(JSON.parse(credentials)), ...older(olderKeyVersions) };
      return { status: newMember ? 201 : 200, newMember, keyVersion, ...listed };
    }
    case "due-rollover":
      keep.statement(statement, keyVersion);
      return { status: 200, keyVersion };
    case "deregister":
      return { status: 200, deregistered };
    case "evict":
      return { status: 200, evicted };
    case "remove":
      // The Worker says so of a device that is not a member.
      return removed === 0 ? { status: 404, error: "NOT_FOUND" } : { status: 200, removed };
    case "unban":
      return { status: 200, banned };
    case "delete":
      return { status: 200, deleted: rest.value.deleted };
    default:
      return { status: created ? 201 : 200 };
  }
}

type Grant = Readonly<{
  created?: boolean;
  newMember: boolean;
  keyVersion: number;
  credentials: string;
  olderKeyVersions?: Versions;
  statement: string;
  deregistered: boolean;
  evicted: boolean;
  banned: boolean;
  removed: number;
  value: Readonly<{ deleted: boolean }>;
}>;

function evidence(token: TokenKind): AuthEvidence {
  if (token === "none") return { kind: "none" };
  if (token === "forged") return { kind: "invalid", reason: "forged" };
  const { namespace, sub } = TOKEN_SUBJECTS[token];
  return { kind: "verified", namespace, keyThumbprint: null, subject: sub, subjectHash: subjectHashOf(token) };
}

/** Settings without those that are not given, and with the default for each null that a setting cannot be. */
function patchOf({ authenticationRequired, deviceKeyRequired, ...rest }: SettingsSent) {
  return {
    ...rest,
    ...(authenticationRequired === undefined ? {} : { authenticationRequired: authenticationRequired ?? false }),
    ...(deviceKeyRequired === undefined ? {} : { deviceKeyRequired: deviceKeyRequired ?? false }),
  };
}
