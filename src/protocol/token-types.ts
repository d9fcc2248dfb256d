// The `typ` of each kind of signed statement (RFC 7515, section 4.1.9).

/** A device's signed request. */
export const DEVICE_REQUEST_TYPE = "device-request+jwt";
/** A domain token. */
export const DOMAIN_TOKEN_TYPE = "domain-token+jwt";
/** The newest entry of a domain's log. */
export const LOG_HEAD_TYPE = "domain-log-head+jwt";
/** The place where a domain's log was cut. */
export const LOG_CHECKPOINT_TYPE = "domain-log-checkpoint+jwt";
