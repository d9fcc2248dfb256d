/** The auth token a device shows: none, one of a namespace, or one that no trusted issuer signed. */
export type TokenKind = "none" | "studio" | "arcade" | "forged";

/** Settings as an operator sends them. */
export type SettingsSent = Readonly<{
  authenticationRequired?: boolean | null;
  authNamespace?: string | null;
  maxMembership?: number | null;
  deviceKeyRequired?: boolean | null;
}>;

/** What may change a domain. Devices and idempotency keys are numbers; each history gives them names of its own. */
export type Change =
  | Readonly<{ ask: "register"; device: number; afterKeyVersion: number | null; token: TokenKind }>
  | Readonly<{ ask: "deregister"; device: number; preview: boolean; key: number | null; token: TokenKind }>
  | Readonly<{ ask: "replace-settings" | "merge-settings"; settings: SettingsSent }>
  | Readonly<{ ask: "rollover"; when: "now" | "next-registration" }>
  | Readonly<{ ask: "retire"; upTo: number }>
  | Readonly<{ ask: "evict" | "unban"; device: number }>
  | Readonly<{ ask: "ban"; device: number; reason: string }>;

/** The same request sent twice at once, under an id that belongs to its number: it may have been sent before. */
export type Repeat = Readonly<{ ask: "repeat"; request: number; of: Change }>;

/** The platform loses the domain's object: in the middle of whatever it does, or when it is idle next. */
export type Loss = Readonly<{ ask: "lose"; how: "abort" | "evict" }>;

/** What may be asked of a domain, and of the platform. */
export type Ask = Change | Repeat | Readonly<{ ask: "overview" | "members" | "keys" }> | Loss;

/** An answer, down to what the model has a word on. */
export type Answer = Readonly<{
  status: number;
  error?: string;
  newMember?: boolean;
  keyVersion?: number;
  /** The key versions that credentials were returned for, in their order. */
  credentials?: readonly number[];
  deregistered?: boolean;
  evicted?: boolean;
  banned?: boolean;
  reason?: string;
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
  keyVersion: number;
  retiredUpTo: number;
  keyRolloverRequired: boolean;
  memberCount: number;
}>;
