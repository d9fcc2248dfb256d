/** How long the Worker may repeat a request: far longer than it does. */
export const REQUEST_MILLISECONDS = 5 * 60 * 1_000;

/**
 * The id of a request: a UUID of version 7, which begins with its time, so that old ones are easily told from new ones.
 *
 * @see RFC 9562, Universally Unique IDentifiers (UUIDs), section 5.7
 */
export function newRequestId(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

/** When a request began, by its id; null if the id does not say. In milliseconds since the Unix epoch. */
export function timeOfRequest(id: string): number | null {
  return id[14] === "7" ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : null;
}
