/** Settings of a domain, as an operator changes them. */
export type DomainSettings = Readonly<{
  /** Whether a registration or de-registration needs an auth token. */
  authenticationRequired: boolean;
  /** The one namespace whose tokens are accepted; null accepts every trusted issuer's. */
  authNamespace: string | null;
  /** How many devices may be members at once; null for no maximum. */
  maxMembership: number | null;
  /** Whether every request of a device must be signed with its own key. */
  deviceKeyRequired: boolean;
  /** The least time between the rollovers that leaves bring about, in seconds; null takes the server's default. */
  rolloverIntervalSeconds: number | null;
  /** Keys are retired so many days after their successor was made; null keeps all in use. */
  retireAfterDays: number | null;
  /** How many devices may be members at once by tokens of one subject; null for no maximum. */
  maxMembershipPerSubject: number | null;
  /** The `sub` of the tokens that own the domain: with `authNamespace`, the only ones that count; null for no owner. */
  ownerSubject: string | null;
  /** Whether a device that is one too many is refused, or takes the place of the one that has not renewed for longest. */
  whenFull: "refuse" | "replace-least-recent";
  /** A member is replaced only if its last renewal is more than so many days ago. */
  minIdleDays: number;
  /** A member that has not renewed for so many days is removed; null keeps all. */
  memberIdleDays: number | null;
  /** The domain is deleted once it has had no member for so many days; null keeps it. */
  deleteAfterEmptyDays: number | null;
}>;

/** The settings of a domain nobody configured. */
export const DEFAULT_SETTINGS: DomainSettings = {
  authenticationRequired: false,
  authNamespace: null,
  maxMembership: null,
  deviceKeyRequired: false,
  rolloverIntervalSeconds: null,
  retireAfterDays: null,
  maxMembershipPerSubject: null,
  ownerSubject: null,
  whenFull: "refuse",
  minIdleDays: 30,
  memberIdleDays: null,
  deleteAfterEmptyDays: null,
};

/** The key a membership is bound to, and when the binding was signed; null for one without a key. */
export type DeviceKeyBinding = Readonly<{ deviceKeyThumbprint: string | null; signedAt: number | null }>;

/** The cause of a device's change: the device, and its request. */
type ByDevice = Readonly<{ machineGuid: string; requestId: string }>;

/** The cause of an operator's change: the request, and the operator. */
type ByOperator = Readonly<{ requestId: string; by: string }>;

/**
 * One fact about a domain; what a commit records, in order. An event that names neither a device nor an operator was
 * caused by the rules.
 */
export type DomainEvent =
  /** `keyVersion`: the highest of a domain of that name that was deleted; absent if there was none. */
  | Readonly<{ type: "domain-created"; keyVersion?: number }>
  | Readonly<{ type: "device-joined"; subjectHash?: string; sealedName?: string } & ByDevice & DeviceKeyBinding>
  | Readonly<{ type: "device-key-bound" } & ByDevice & DeviceKeyBinding>
  /** Without `by`, the device gave its own name. */
  | Readonly<{ type: "device-named"; sealedName: string | null; by?: string } & ByDevice>
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
  /** Device names were sealed with the present key-encryption key. */
  | Readonly<{ type: "names-resealed"; keyEncryptionKid: string; names: number }>
  /** The object was empty and took the domain over from the database: the log begins here. */
  | Readonly<{
      type: "domain-taken-over";
      settings: DomainSettings;
      keyVersion: number;
      retiredUpTo: number;
      memberCount: number;
    }>;
