/** What the calls to a metered database came to, and how late it answers them. */
export type Meter = {
  /** How many milliseconds late each call is answered, a batch as a single statement. */
  delayMilliseconds: number;
  calls: number;
  statements: number;
  rowsRead: number;
  rowsWritten: number;
};
