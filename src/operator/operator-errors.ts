import { isRetryableStatus, type ServerErrorDetails } from "../client/client-errors.ts";
import { ERROR_NAMES, type ErrorName } from "../protocol/error-names.ts";

/** The names of what can go wrong; branch on them, never on a message. */
export type OperatorErrorName =
  | ErrorName
  /** The URL is none of a server, or plain http to another machine. */
  | "INVALID_SERVER_URL"
  /** No whole response came back; whether the server acted is not known. */
  | "UNREACHABLE"
  /** Something else than the server refused, or with a name that this version does not know. */
  | "UNEXPECTED_ANSWER";

/** A member of a request, and what is wrong with it. */
export type FieldFault = Readonly<{ field: string; detail: string }>;

type Details = Pick<ServerErrorDetails, "detail" | "requestId" | "retryAfter"> &
  Readonly<{ status: number | null; title: string; fields: readonly FieldFault[] }>;

const NO_DETAILS = { status: null, detail: null, requestId: null, retryAfter: null, fields: [] };

/**
 * An operator's request that failed.
 *
 * @see RFC 9457, Problem Details for HTTP APIs, section 3
 */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly error: OperatorErrorName;
  /** The status of the response; null if there was none. */
  readonly status: number | null;
  readonly title: string;
  readonly detail: string | null;
  /** The id of the request in the server's log. */
  readonly requestId: string | null;
  /** The members of the request at fault. */
  readonly fields: readonly FieldFault[];
  /** Whether the same request may be granted later, unchanged. */
  readonly retryable: boolean;
  /** How long the server asks to be left alone, in milliseconds. */
  readonly retryAfter: number | null;

  constructor(error: OperatorErrorName, details: Partial<Details> & { title: string }, options?: ErrorOptions) {
    const { status, title, detail, requestId, fields, retryAfter } = { ...NO_DETAILS, ...details };
    super(detail ?? title, options);
    this.error = error;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.requestId = requestId;
    this.fields = fields;
    this.retryable = status === null ? error === "UNREACHABLE" : isRetryableStatus(status);
    this.retryAfter = retryAfter;
  }
}

/** The error that a refusal is, by its details and its problem document. */
export function refused(details: ServerErrorDetails, { errors }: Readonly<Record<string, unknown>>): OperatorError {
  const { error: given, status, title } = details;
  return new OperatorError(ERROR_NAMES.find((name) => name === given) ?? "UNEXPECTED_ANSWER", {
    ...details,
    title: title ?? `The server answered with status ${status}`,
    fields: Array.isArray(errors) ? errors.map((fault) => fieldFault(fault ?? {})) : [],
  });
}

/** No whole response came back. */
export function unreachable(origin: string, cause: unknown): OperatorError {
  const detail = `No answer came from ${origin}`;
  return new OperatorError("UNREACHABLE", { title: "The server cannot be reached", detail }, { cause });
}

/** Whether a request that failed so was surely not carried out. */
export function wasNotBegun({ error, status }: OperatorError): boolean {
  return error === "OVERLOADED" || status === 429;
}

function fieldFault({ field, detail }: Readonly<{ field?: unknown; detail?: unknown }>): FieldFault {
  return { field: String(field), detail: String(detail) };
}
