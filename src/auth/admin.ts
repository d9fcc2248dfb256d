import { bearerToken } from "./auth-tokens.ts";

/** Whether an `Authorization` header carries the admin token, in a time that does not depend on the guess. */
export async function isAdmin(authorization: string | undefined, adminToken: string): Promise<boolean> {
  // Digests, because the comparison wants equal lengths, and the length is a secret too.
  const [guess, truth] = await Promise.all([digest(bearerToken(authorization) ?? ""), digest(adminToken)]);
  return crypto.subtle.timingSafeEqual(guess, truth);
}

function digest(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
