/** Whether a URL's hostname is this very machine's. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/** Whether nobody on the way can change what comes from a URL: TLS, or this very machine. */
export function isSafeUrl(text: string | URL): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}
