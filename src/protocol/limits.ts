/** The largest request body, in bytes. */
export const MAX_BODY_BYTES = 64 * 1024;
/** How far a device's clock may be off, in seconds. */
export const MAX_CLOCK_SKEW_SECONDS = 300;
/** The most credentials, or public keys, of one response. */
export const MAX_CREDENTIALS = 100;
/** The most rows of a page of a list. */
export const MAX_PAGE_ROWS = 200;
/** The longest least time between automatic rollovers: a year. */
export const MAX_ROLLOVER_INTERVAL_SECONDS = 31_536_000;
