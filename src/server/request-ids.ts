/**
 * The id of a request: a UUID of version 7, which begins with its time, so that old ones are easily told from new ones.
 *
 * @see RFC 9562, Universally Unique IDentifiers (UUIDs), section 5.7
 */
export function newRequestId(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}
