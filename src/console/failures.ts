import { DeviceDomainError, DomainServerError } from "../client/index.ts";

/** What went wrong, in the words of whoever refused. */
export type Failure = Readonly<{
  title: string;
  detail: string | null;
  /** The stable name, if it has one. */
  error: string | null;
  /** What the server's log knows it by. */
  requestId: string | null;
  /** What is wrong with which member of the request. */
  fields: Readonly<Record<string, string>>;
}>;

/** A refusal by the server's administration. */
export class AdminError extends Error {
  override readonly name = "AdminError";
  readonly status: number;
  readonly failure: Failure;

  constructor(status: number, failure: Failure) {
    super(failure.title);
    this.status = status;
    this.failure = failure;
  }
}

/** What to show for anything that was thrown. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof AdminError) return thrown.failure;
  if (thrown instanceof DomainServerError || thrown instanceof DeviceDomainError) {
    const requestId = thrown instanceof DomainServerError ? thrown.requestId : null;
    return { title: thrown.message, detail: null, error: thrown.error, requestId, fields: {} };
  }
  return { title: "The console failed", detail: String(thrown), error: null, requestId: null, fields: {} };
}

/**
 * What a response says of itself that is no success; whatever stands between here and the server may have answered.
 *
 * @see RFC 9457, Problem Details for HTTP APIs, section 3
 */
export async function refusalOf(response: Response): Promise<AdminError> {
  const problem: unknown = await response.json().catch(() => null);
  const { title, detail, error, errors } = (problem ?? {}) as Readonly<Record<string, unknown>>;
  return new AdminError(response.status, {
    title: text(title) ?? `The server answered with status ${response.status}`,
    detail: text(detail),
    error: text(error),
    requestId: response.headers.get("x-request-id"),
    fields: Object.fromEntries(
      Array.isArray(errors) ? errors.map((each) => [String(each?.field), String(each?.detail)]) : [],
    ),
  });
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
