// The `typ` of each kind of signed statement (RFC 7515, section 4.1.9).

/** A device's signed request. */
export const DEVICE_REQUEST_TYPE = "device-request+jwt";
/** A domain token. */
export const DOMAIN_TOKEN_TYPE = "domain-token+jwt";
/** The newest entry of a domain's log. */
export const LOG_HEAD_TYPE = "domain-log-head+jwt";
/** The place where a domain's log was cut. */
export const LOG_CHECKPOINT_TYPE = "domain-log-checkpoint+jwt";
/** A domain's current key, for those who encrypt to it. */
export const KEY_STATEMENT_TYPE = "domain-key-statement+jwt";
/** The server's time, for a device whose clock is wrong. */
export const SERVER_TIME_TYPE = "server-time+jwt";
/** A former key of the domain authority vouches for its present one. */
export const AUTHORITY_ROTATION_TYPE = "authority-rotation+jwt";
