/**
 * The auth token a device shows: none, one of a namespace, one of another subject in the first of these, or one that no
 * trusted issuer signed.
 */
export type TokenKind = "none" | "studio" | "arcade" | "studio-guest" | "forged";

/** Settings as an operator sends them. */
export type SettingsSent = Readonly<{
  authenticationRequired?: boolean | null;
  authNamespace?: string | null;
  maxMembership?: number | null;
  deviceKeyRequired?: boolean | null;
  rolloverIntervalSeconds?: number | null;
  retireAfterDays?: number | null;
  maxMembershipPerSubject?: number | null;
  ownerSubject?: string | null;
}>;

/** Requests that may change a domain. Devices and idempotency keys are numbers; each history gives them names of its own. */
export type Change =
  | Readonly<{ ask: "register"; device: number; afterKeyVersion: number | null; newest: boolean; token: TokenKind }>
  | Readonly<{ ask: "deregister"; device: number; preview: boolean; key: number | null; token: TokenKind }>
  | Readonly<{ ask: "replace-settings" | "merge-settings"; settings: SettingsSent }>
  | Readonly<{ ask: "rollover"; when: "now" | "next-registration" }>
  | Readonly<{ ask: "due-rollover" }>
  | Readonly<{ ask: "retire"; upTo: number }>
  | Readonly<{ ask: "evict" | "unban"; device: number }>
  | Readonly<{ ask: "ban"; device: number; reason: string }>
  /** The owner removes a device, by this token. */
  | Readonly<{ ask: "remove"; device: number; token: TokenKind }>
  /** Deletes the domain. */
  | Readonly<{ ask: "delete" }>;

/** The same request sent twice at once, under an id that belongs to its number: it may have been sent before. */
export type Repeat = Readonly<{ ask: "repeat"; request: number; of: Change }>;

/** The platform loses the domain's object: in the middle of whatever it does, or when it is idle next. */
type Loss = Readonly<{ ask: "lose"; how: "abort" | "evict" }>;

/** Reads of a domain. */
export type Look =
  | Readonly<{ ask: "overview" | "members" }>
  /** The devices as the owner sees them, by this token. */
  | Readonly<{ ask: "devices"; token: TokenKind }>
  /** Public keys: those before a version, or the newest; or the one with this version. */
  | Readonly<{ ask: "keys"; before: number | null }>
  | Readonly<{ ask: "key"; version: number }>
  /** The keys before a version, or before `keyVersion`, sealed to the key with that version. */
  | Readonly<{ ask: "history"; keyVersion: number; before: number | null }>;

/** Requests to a domain, and to the platform. */
export type Ask = Change | Repeat | Look | Loss;

/** Key versions from one to another, both included. */
export type Versions = Readonly<{ from: number; to: number }>;

/** An answer, down to what the model has a word on. */
export type Answer = Readonly<{
  status: number;
  error?: string;
  newMember?: boolean;
  keyVersion?: number;
  /** The key versions that credentials were returned for, in their order. */
  credentials?: readonly number[];
  /** The further versions that the answer says there are; absent if it says of none. */
  older?: Versions;
  deregistered?: boolean;
  evicted?: boolean;
  removed?: number;
  memberCount?: number;
  banned?: boolean;
  reason?: string;
  deleted?: boolean;
  overview?: Overview;
  /** The devices that are members. */
  members?: readonly number[];
  keys?: Readonly<{ versions: readonly number[]; current: number | null }>;
}>;

/** A domain as its operator sees it, but for what counts commits and times. */
export type Overview = Readonly<{
  authenticationRequired: boolean;
  authNamespace: string | null;
  maxMembership: number | null;
  deviceKeyRequired: boolean;
  rolloverIntervalSeconds: number;
  retireAfterDays: number | null;
  maxMembershipPerSubject: number | null;
  ownerSubject: string | null;
  keyVersion: number;
  retiredUpTo: number;
  keyRolloverRequired: boolean;
  memberCount: number;
}>;

/** The further versions that a response names, in the words of the model. */
export function older(versions: Versions | undefined): Pick<Answer, "older"> {
  return versions === undefined ? {} : { older: versions };
}
