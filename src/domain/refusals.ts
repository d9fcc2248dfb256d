/**
 * Every error a command can be refused with. The first three come from the reference logic. The HTTP layer maps each
 * error to its status.
 */
export type DomainError =
  | "DOM_AUTHENTICATION_REQUIRED"
  | "DOM_LIMIT_REACHED"
  | "DEREG_DENIED"
  | "DEVICE_KEY_REQUIRED"
  | "DEVICE_PROOF_INVALID"
  | "DEVICE_BANNED"
  | "IDEMPOTENCY_KEY_REUSED"
  | "DOMAIN_EXISTS"
  | "DOMAIN_NOT_FOUND"
  | "NOT_FOUND"
  | "INVALID_REQUEST"
  | "RATE_LIMITED"
  | "OVERLOADED"
  | "TEMPORARILY_UNAVAILABLE"
  | "INTERNAL_ERROR";

/** A member of a request that is wrong, and the rule it breaks. */
export type FieldError = Readonly<{ field: string; detail: string }>;

/**
 * A refusal: the error to answer with, why (for the log), and, for `INVALID_REQUEST`, the fields at fault. `detail` says why
 * to the caller, where the rule knows that the caller may be told.
 */
export type Refusal = Readonly<{
  error: DomainError;
  reason: string;
  detail?: string;
  fields?: readonly FieldError[];
}>;
