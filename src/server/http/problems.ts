import type { FieldError, Refusal } from "../../domain/refusals.ts";
import { ERROR_NUMBERS, type ErrorName } from "../../protocol/error-names.ts";
import { PROBLEM_MEDIA_TYPE } from "../../protocol/media-types.ts";

type ProblemType = Readonly<{ status: number; title: string; headers?: Record<string, string> }>;

/** `Retry-After` for an overloaded domain. A longer pause spares it the cost of refusing again. */
const OVERLOAD_SECONDS = "10";

/**
 * Every error this server answers with. The numbers of the reference logic travel as `code`: as HTTP statuses, its
 * 502 and 503 would have proxies and clients repeat a final refusal.
 */
export const PROBLEMS = {
  DOM_AUTHENTICATION_REQUIRED: {
    status: 401,
    title: "The domain requires a valid auth token",
    headers: { "www-authenticate": "Bearer" },
  },
  DOM_LIMIT_REACHED: { status: 409, title: "The domain has reached its maximum membership" },
  DEVICE_KEY_REQUIRED: {
    status: 401,
    title: "The domain requires signed requests",
    headers: { "www-authenticate": "Device-Request" },
  },
  DEVICE_PROOF_INVALID: { status: 403, title: "The device's proof is invalid" },
  DEVICE_BANNED: { status: 403, title: "The device is banned" },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: "The idempotency key was used before" },
  DEREG_DENIED: { status: 403, title: "The device is not a member of the domain" },
  INVALID_REQUEST: { status: 400, title: "Invalid request" },
  DOMAIN_EXISTS: { status: 412, title: "Domain already exists" },
  DOMAIN_NOT_FOUND: { status: 404, title: "Domain not found" },
  NOT_FOUND: { status: 404, title: "Not found" },
  ADMIN_AUTHENTICATION_REQUIRED: {
    status: 401,
    title: "An operator's credential is required",
    headers: { "www-authenticate": "Bearer" },
  },
  ADMIN_SCOPE_REQUIRED: { status: 403, title: "Insufficient scope" },
  RATE_LIMITED: {
    status: 429,
    title: "Too many requests",
    headers: { "retry-after": "60" },
  },
  OVERLOADED: {
    status: 503,
    title: "The domain is overloaded",
    headers: { "retry-after": OVERLOAD_SECONDS },
  },
  TEMPORARILY_UNAVAILABLE: {
    status: 503,
    title: "Temporarily unavailable",
    headers: { "retry-after": "1" },
  },
  INTERNAL_ERROR: { status: 500, title: "Internal error" },
} as const satisfies Record<ErrorName, ProblemType>;

/** Members of a problem besides its name. */
export type ProblemDetails = Readonly<{
  /** For the caller, about this occurrence. */
  detail?: string;
  /** The members of the request at fault. */
  errors?: readonly FieldError[];
  /** Another status than the error's usual one. */
  status?: number;
  headers?: Record<string, string>;
  /** Further members of the problem document, for those who may know. */
  members?: Record<string, unknown>;
  /** For the log alone. */
  reason?: string;
}>;

/** An error answer on its way to the error handler. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly problem: ErrorName;
  readonly details: ProblemDetails;

  constructor(problem: ErrorName, details: ProblemDetails = {}) {
    super(problem);
    this.problem = problem;
    this.details = details;
  }

  /**
   * The answer itself.
   *
   * @param origin where the problem types are described
   * @param requestId what to ask the operator about, should the server have failed
   * @see RFC 9457, Problem Details for HTTP APIs, section 3
   */
  response(origin: string, requestId: string): Response {
    const type: ProblemType = PROBLEMS[this.problem];
    const { errors, status = type.status, headers } = this.details;
    const fallback = status === 500 ? `Ask the operator about request ${requestId}.` : undefined;
    const detail = this.details.detail ?? (errors ? describe(errors) : fallback);
    const code = ERROR_NUMBERS[this.problem];
    const body = {
      type: `${origin}${problemPath(this.problem)}`,
      title: type.title,
      status,
      ...(detail === undefined ? {} : { detail }),
      error: this.problem,
      ...(code === undefined ? {} : { code }),
      ...(errors === undefined ? {} : { errors }),
      ...this.details.members,
    };
    return Response.json(body, {
      status,
      headers: { ...type.headers, ...headers, "content-type": PROBLEM_MEDIA_TYPE },
    });
  }
}

/** Where on this server an error is described to people. */
export function problemPath(name: ErrorName): string {
  return `/problems/${name.toLowerCase().replaceAll("_", "-")}`;
}

/** A bad request, with the members at fault. */
export function invalidRequest(...errors: readonly FieldError[]): Problem {
  return new Problem("INVALID_REQUEST", { errors });
}

/**
 * The answer to a refusal, with the detail that its rule has for the caller. A device that signs is told what is wrong with
 * its proof: only it can mend it.
 */
export function refusalProblem(
  {
    error,
    reason,
    detail = error === "DEVICE_PROOF_INVALID" ? reason : undefined,
    fields,
  }: Omit<Refusal, "error"> & { error: ErrorName },
  members: Record<string, unknown> = {},
): Problem {
  return new Problem(error, {
    reason,
    members,
    ...(fields ? { errors: fields } : {}),
    ...(detail === undefined ? {} : { detail }),
  });
}

function describe(errors: readonly FieldError[]): string {
  return errors.map(({ field, detail }) => `${field} ${detail}`).join("; ");
}
