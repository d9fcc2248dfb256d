import { bearerToken } from "./auth-tokens.ts";

/**
 * Whether an `Authorization` header carries one of the admin tokens, in a time that depends neither on the guess nor on
 * which of them it is.
 */
export async function isAdmin(authorization: string | undefined, adminTokens: readonly string[]): Promise<boolean> {
  // Digests, because the comparison wants equal lengths, and the length is a secret too.
  const [guess, ...truths] = await Promise.all([bearerToken(authorization) ?? "", ...adminTokens].map(digest));
  // All are compared, whether or not one before was it.
  const equal = truths.map((truth) => crypto.subtle.timingSafeEqual(guess as ArrayBuffer, truth));
  return equal.includes(true);
}

function digest(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
