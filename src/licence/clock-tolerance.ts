/** How far the server's clock and this one may be apart, in seconds. */
export const CLOCK_TOLERANCE_SECONDS = 60;
