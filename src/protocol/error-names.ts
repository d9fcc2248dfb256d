/** The stable names of all errors a server answers with. Clients branch on them, never on a text. */
export const ERROR_NAMES = [
  "DOM_AUTHENTICATION_REQUIRED",
  "DOM_LIMIT_REACHED",
  "DEREG_DENIED",
  "INVALID_REQUEST",
  "DEVICE_KEY_REQUIRED",
  "DEVICE_PROOF_INVALID",
  "DEVICE_BANNED",
  "IDEMPOTENCY_KEY_REUSED",
  "DOMAIN_EXISTS",
  "DOMAIN_NOT_FOUND",
  "NOT_FOUND",
  "ADMIN_AUTHENTICATION_REQUIRED",
  "ADMIN_SCOPE_REQUIRED",
  "RATE_LIMITED",
  "OVERLOADED",
  "TEMPORARILY_UNAVAILABLE",
  "INTERNAL_ERROR",
] as const;

/** The name of an error. */
export type ErrorName = (typeof ERROR_NAMES)[number];

/** The numbers that the reference logic gives its three errors; they travel as `code`. */
export const ERROR_NUMBERS: { readonly [Name in ErrorName]?: number } = {
  DOM_AUTHENTICATION_REQUIRED: 503,
  DOM_LIMIT_REACHED: 502,
  DEREG_DENIED: 401,
};
