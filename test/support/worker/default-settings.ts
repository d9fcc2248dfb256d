/** The settings of a domain nobody configured, as the log has them. */
export const LOGGED_DEFAULTS = {
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

/** The same as operators see them: the server's default counts for the interval. */
export const DEFAULTS = { ...LOGGED_DEFAULTS, rolloverIntervalSeconds: 0 };
