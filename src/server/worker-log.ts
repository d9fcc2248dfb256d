/** One structured log line. Never put a token, a key or a whole machine GUID into it: logs are read by many. */
export function log(level: "info" | "warn" | "error", message: string, fields: Record<string, unknown> = {}): void {
  console[level](JSON.stringify({ level, message, ...fields }));
}

/** An error as log fields, with everything that caused it. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) };
  return {
    // Drizzle adds the parameters of a failed query to its message; a machine GUID may be among them.
    error: `${error.name}: ${error.message.split("\nparams:", 1)[0]}`,
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  };
}
