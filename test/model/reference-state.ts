import type { Answer, SettingsSent, TokenKind } from "./requests.ts";

/**
 * A domain as the reference logic describes it, written down once more and as plainly as can be: it shares no code with
 * the server, or the two could be wrong together.
 */
export type ReferenceDomain = Readonly<{
  exists: boolean;
  authenticationRequired: boolean;
  authNamespace: string | null;
  maxMembership: number | null;
  deviceKeyRequired: boolean;
  /** Null for the server's default, which is 0. Any other is longer than a history takes. */
  rolloverIntervalSeconds: number | null;
  retireAfterDays: number | null;
  maxMembershipPerSubject: number | null;
  ownerSubject: string | null;
  rolloverRequired: boolean;
  /** Whether the rollover that is required is postponed by the interval. */
  rolloverWaits: boolean;
  keyVersion: number;
  retiredUpTo: number;
  /** Keys up to this version are those of a domain of this name that was deleted. */
  lostUpTo: number;
  /** The number of the request that deleted that domain, if it has one. */
  deletedBy: number | null;
  /** Device numbers, in rising order. */
  members: readonly number[];
  /** The tokens by which members joined, where tokens count; in rising order of the devices. */
  subjects: readonly (readonly [number, TokenKind])[];
  /** Device numbers with the reasons, in rising order. */
  bans: readonly (readonly [number, string])[];
  /** Which device left under which idempotency key: each device has keys of its own. In rising order. */
  leaves: readonly (readonly [number, number])[];
  /** How requests with an id were answered that changed something, in rising order of their numbers. */
  records: readonly (readonly [number, Answer])[];
}>;

/** A name that no domain has. */
export const UNKNOWN: ReferenceDomain = {
  exists: false,
  authenticationRequired: false,
  authNamespace: null,
  maxMembership: null,
  deviceKeyRequired: false,
  rolloverIntervalSeconds: null,
  retireAfterDays: null,
  maxMembershipPerSubject: null,
  ownerSubject: null,
  rolloverRequired: true,
  rolloverWaits: false,
  keyVersion: 0,
  retiredUpTo: 0,
  lostUpTo: 0,
  deletedBy: null,
  members: [],
  subjects: [],
  bans: [],
  leaves: [],
  records: [],
};

/** Settings as they are taken: null is the default, which only two of them cannot hold themselves. */
export function given(settings: SettingsSent): Partial<ReferenceDomain> {
  const { authenticationRequired, deviceKeyRequired, ...rest } = settings;
  return {
    ...rest,
    ...(authenticationRequired === undefined ? {} : { authenticationRequired: authenticationRequired ?? false }),
    ...(deviceKeyRequired === undefined ? {} : { deviceKeyRequired: deviceKeyRequired ?? false }),
  };
}

/** The settings of a domain. */
export function settingsOf(domain: ReferenceDomain) {
  const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = domain;
  const { rolloverIntervalSeconds, retireAfterDays, maxMembershipPerSubject, ownerSubject } = domain;
  return {
    authenticationRequired,
    authNamespace,
    maxMembership,
    deviceKeyRequired,
    rolloverIntervalSeconds,
    retireAfterDays,
    maxMembershipPerSubject,
    ownerSubject,
  };
}
