/** The `typ` values of what the domain authority signs of a log: what it has come to, and where it was cut. */
export const LOG_HEAD_TYPE = "domain-log-head+jwt";
export const LOG_CHECKPOINT_TYPE = "domain-log-checkpoint+jwt";
