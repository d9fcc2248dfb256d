/** The largest request body, in bytes. */
export const MAX_BODY_BYTES = 64 * 1024;
/** How far a device's clock may be off, in seconds. */
export const MAX_CLOCK_SKEW_SECONDS = 300;
/** The most rows of a page of a list. */
export const MAX_PAGE_ROWS = 200;
