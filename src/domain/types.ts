import type { Refusal } from "./errors.ts";
import type { RequestRecord } from "./request-records.ts";

/** What an operator sets for a domain. */
export type DomainSettings = Readonly<{
  /** Whether a registration or de-registration needs an auth token. */
  authenticationRequired: boolean;
  /** The one namespace whose tokens are accepted; null accepts every trusted issuer's. */
  authNamespace: string | null;
  /** How many devices may be members at once; null for no maximum. */
  maxMembership: number | null;
  /** Whether every request of a device must be signed with its own key. */
  deviceKeyRequired: boolean;
}>;

/** The settings of a domain nobody configured. */
export const DEFAULT_SETTINGS: DomainSettings = {
  authenticationRequired: false,
  authNamespace: null,
  maxMembership: null,
  deviceKeyRequired: false,
};

/** What is remembered of a device in a domain besides its machine GUID; times in milliseconds since the epoch. */
export type Membership = Readonly<{
  deviceKeyThumbprint: string | null;
  joinedAt: number;
  /** When the registration that bound the device key was signed, by the device's own clock; null without a key. */
  signedAt: number | null;
  /** The day of the last renewal, or of the join, in days since the epoch. */
  lastRenewedOn: number;
}>;

/** An operator's word that a machine GUID, and the device key it had, may not come back. */
export type Ban = Readonly<{ deviceKeyThumbprint: string | null; reason: string; by: string; bannedAt: number }>;

/** A domain at one moment, as far as the rules need it. */
export type DomainState = Readonly<{
  /** How many commits the domain has seen; 0 says that it does not exist yet. */
  revision: number;
  settings: DomainSettings;
  /** Whether the next registration makes a new domain key. */
  keyRolloverRequired: boolean;
  /** The highest key version; 0 before the first key. */
  keyVersion: number;
  /** The keys up to this version are kept, and handed out to nobody any more; 0 if none are retired. */
  retiredUpTo: number;
  memberCount: number;
  /** The memberships of the machine GUIDs under decision, not of the whole domain. */
  members: ReadonlyMap<string, Membership>;
  /** The outcomes on record of the requests under decision, by the ids of their records. */
  records: ReadonlyMap<string, RequestRecord>;
  /** When the last signed leave of a machine GUID under decision was signed, in milliseconds since the epoch. */
  signedLeaves: ReadonlyMap<string, number>;
  /** The bans, by machine GUID, that concern a machine GUID or a device key under decision. */
  bans: ReadonlyMap<string, Ban>;
}>;

/** What a signed request proves: who holds which key asked for it, and when. */
export type DeviceProof = Readonly<{
  /** The RFC 7638 thumbprint of the device's public key. */
  thumbprint: string;
  /** By the device's own clock, in milliseconds since the epoch. */
  signedAt: number;
  /** The request's `jti`, which no other request of the device shares. */
  idempotencyKey: string;
}>;

/** The state a domain is born with: a rollover is due, which makes key version 1. */
export const NEWBORN: DomainState = {
  revision: 0,
  settings: DEFAULT_SETTINGS,
  keyRolloverRequired: true,
  keyVersion: 0,
  retiredUpTo: 0,
  memberCount: 0,
  members: new Map(),
  records: new Map(),
  signedLeaves: new Map(),
  bans: new Map(),
};

/** What became of the auth token of a request. */
export type AuthEvidence =
  | Readonly<{ kind: "none" }>
  | Readonly<{ kind: "invalid"; reason: string }>
  /** The issuer's keys could not be had, so that nothing is known of the token. */
  | Readonly<{ kind: "unavailable"; reason: string }>
  /** `keyThumbprint`: the one key that may show this token (RFC 7800, `cnf.jkt`), if it is bound to one. */
  | Readonly<{ kind: "verified"; namespace: string; keyThumbprint: string | null }>;

/** The key a membership is bound to, and when the binding was signed; null for one without a key. */
export type DeviceKeyBinding = Pick<Membership, "deviceKeyThumbprint" | "signedAt">;

/** What a device brought about: which device, and by which request. */
type ByDevice = Readonly<{ machineGuid: string; requestId: string }>;

/** What an operator brought about: by which request, and who that was. */
type ByOperator = Readonly<{ requestId: string; by: string }>;

/** One fact about a domain; what a commit records, in order. What neither device nor operator is named in, the rules did. */
export type DomainEvent =
  | Readonly<{ type: "domain-created" }>
  | Readonly<{ type: "device-joined" } & ByDevice & DeviceKeyBinding>
  | Readonly<{ type: "device-key-bound" } & ByDevice & DeviceKeyBinding>
  | Readonly<{ type: "device-left"; signedAt: number | null } & ByDevice>
  /** A signed request was answered in the clear, which happens once for each. */
  | Readonly<{ type: "request-used" } & ByDevice>
  | Readonly<{ type: "device-evicted"; machineGuid: string } & ByOperator>
  | Readonly<
      { type: "device-banned"; machineGuid: string; deviceKeyThumbprint: string | null; reason: string } & ByOperator
    >
  | Readonly<{ type: "device-unbanned"; machineGuid: string } & ByOperator>
  | Readonly<{ type: "rollover-required" } & ByOperator>
  | Readonly<{ type: "key-made"; keyVersion: number } & Partial<ByOperator>>
  | Readonly<{ type: "keys-retired"; upTo: number; previous: number } & ByOperator>
  | Readonly<{ type: "settings-changed"; settings: DomainSettings; previous: DomainSettings } & ByOperator>
  /** Private keys were wrapped with the present key-encryption key. */
  | Readonly<{ type: "keys-rewrapped"; keyEncryptionKid: string; keys: number }>
  /** The object was empty and took the domain over from the database: the log begins here. */
  | Readonly<{
      type: "domain-taken-over";
      settings: DomainSettings;
      keyVersion: number;
      retiredUpTo: number;
      memberCount: number;
    }>;

/** What a rule decides: what happens to the domain (nothing, if refused), and what to answer. */
export type Decision<Grant> = Readonly<{ events: readonly DomainEvent[]; outcome: Outcome<Grant> }>;

/** Granted, with what was granted, or refused, with why. */
export type Outcome<Grant> = Readonly<{ granted: true; grant: Grant } | { granted: false; refusal: Refusal }>;

/** A decision that grants `grant` and makes `events` happen. */
export function granted<Grant>(grant: Grant, events: readonly DomainEvent[] = []): Decision<Grant> {
  return { events, outcome: { granted: true, grant } };
}

/** A decision that refuses, and so changes nothing. */
export function refused(refusal: Refusal): Decision<never> {
  return { events: [], outcome: { granted: false, refusal } };
}
