import { DEFAULT_SETTINGS, type DomainEvent, type DomainSettings } from "./events.ts";
import type { OwnDomain } from "./own-domain.ts";
import type { Refusal } from "./refusals.ts";
import type { RequestRecord } from "./request-records.ts";

export { DEFAULT_SETTINGS, type DeviceKeyBinding, type DomainEvent, type DomainSettings } from "./events.ts";

/** A membership without its machine GUID; times in milliseconds since the epoch. */
export type Membership = Readonly<{
  deviceKeyThumbprint: string | null;
  joinedAt: number;
  /** When the registration that bound the device key was signed, by the device's own clock; null without a key. */
  signedAt: number | null;
  /** The day of the last renewal, or of the join, in days since the epoch. */
  lastRenewedOn: number;
  /** The hash of the issuer and the subject of the token it joined by; null if it joined without. */
  subjectHash: string | null;
  /** The name its owner gave it, sealed; null if it has none. */
  sealedName: string | null;
}>;

/** An operator's word that a machine GUID, and the device key it had, may not come back. */
export type Ban = Readonly<{ deviceKeyThumbprint: string | null; reason: string; by: string; bannedAt: number }>;

/** A domain at one moment, as far as the rules need it. */
export type DomainState = Readonly<{
  name: string;
  /** Whether names like this one belong to a trusted issuer: its tokens alone make and enter such domains. */
  isReserved: boolean;
  /** The change counter: each commit raises it by one. 0: the domain does not exist. */
  revision: number;
  settings: DomainSettings;
  /** The server's `rolloverIntervalSeconds`, for a domain that has none of its own. */
  defaultRolloverIntervalSeconds: number;
  /** Whether a new domain key has to follow: the first registration from `rolloverNotBefore` on makes it. */
  keyRolloverRequired: boolean;
  /** In milliseconds since the epoch; 0 for at once. */
  rolloverNotBefore: number;
  /** The highest key version; 0 before the first key. */
  keyVersion: number;
  /** When the key of that version was made, in milliseconds since the epoch; 0 if that is not known. */
  keyMadeAt: number;
  /** The keys up to this version are kept, and handed out to nobody any more; 0 if none are retired. */
  retiredUpTo: number;
  /**
   * The keys up to this version are lost: they did not come along when the domain was taken over, or were erased with a
   * domain of that name; 0 if none are.
   */
  lostUpTo: number;
  memberCount: number;
  /** The memberships of the machine GUIDs under decision, not of the whole domain. */
  members: ReadonlyMap<string, Membership>;
  /**
   * The machine GUIDs of the members that may have to leave for newcomers, as many as the commands under decision may need;
   * the one that has not renewed for longest is the last.
   */
  leastRecent: readonly string[];
  /** How many members joined by tokens of a subject, for the subjects under decision, by their hashes. */
  subjectMembers: ReadonlyMap<string, number>;
  /** The outcomes on record of the requests under decision, by the ids of their records. */
  records: ReadonlyMap<string, RequestRecord>;
  /** When the last signed leave of a machine GUID under decision was signed, in milliseconds since the epoch. */
  signedLeaves: ReadonlyMap<string, number>;
  /** The bans, by machine GUID, that concern a machine GUID or a device key under decision. */
  bans: ReadonlyMap<string, Ban>;
}>;

/** The proof of a signed request: which key signed it, and when. */
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
  name: "",
  isReserved: false,
  revision: 0,
  settings: DEFAULT_SETTINGS,
  defaultRolloverIntervalSeconds: 0,
  keyRolloverRequired: true,
  rolloverNotBefore: 0,
  keyVersion: 0,
  keyMadeAt: 0,
  retiredUpTo: 0,
  lostUpTo: 0,
  memberCount: 0,
  members: new Map(),
  leastRecent: [],
  subjectMembers: new Map(),
  records: new Map(),
  signedLeaves: new Map(),
  bans: new Map(),
};

/** The evidence of a request's auth token. */
export type AuthEvidence =
  | Readonly<{ kind: "none" }>
  /** `detail`: the reason as a sentence for the caller, if it is fit to be told. */
  | Readonly<{ kind: "invalid"; reason: string; detail?: string }>
  /** The issuer's keys could not be had, so that nothing is known of the token. */
  | Readonly<{ kind: "unavailable"; reason: string }>
  /** `keyThumbprint`: the one key that may show this token (RFC 7800, `cnf.jkt`), if it is bound to one. */
  | Readonly<{
      kind: "verified";
      namespace: string;
      keyThumbprint: string | null;
      /** The token's subject; absent if it names none. */
      subject?: string;
      /** The hash of the token's issuer and subject; absent if it names no subject. */
      subjectHash?: string;
      /** The domain that the token is for, and no other but those whose owner it is; absent if it is for any. */
      ownDomain?: OwnDomain;
    }>;

/** The decision of a rule: events of the domain (none, if refused), and the outcome. */
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
