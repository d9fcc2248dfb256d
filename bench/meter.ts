/** The calls to a metered database, its delay, and the rows that objects wrote themselves. */
export type Meter = {
  /** How many milliseconds late each call is answered, a batch as a single statement. */
  delayMilliseconds: number;
  calls: number;
  statements: number;
  rowsRead: number;
  rowsWritten: number;
  /** The rows that objects wrote in their own storage, an alarm as one. */
  objectRowsWritten: number;
  /** The calls that are not answered yet. */
  inFlight: number;
};

/** A meter as it is read, and how many domains wait for the database writer. */
export type MeterReading = Readonly<Meter & { domainsWaiting: number }>;
