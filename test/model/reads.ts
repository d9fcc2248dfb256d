/**
 * Reads something, once more if the first try fails: the server may close a kept connection at the moment that it is used
 * again, which a busy machine makes more likely.
 */
export function read(url: string, options: RequestInit = {}): Promise<Response> {
  return fetch(url, options).catch(() => fetch(url, options));
}
