import { DeviceDomainError, DomainServerError } from "../client/index.ts";
import { OperatorError } from "../operator/index.ts";

/** A failure, in the words of the server that refused. */
export type Failure = Readonly<{
  title: string;
  detail: string | null;
  /** The stable name, if it has one. */
  error: string | null;
  /** The request's id in the server's log. */
  requestId: string | null;
  /** Errors of members of the request, by name. */
  fields: Readonly<Record<string, string>>;
  /** Whether it says nothing about what was fetched before: the server, or the way to it, has failed for now. */
  passes: boolean;
}>;

/** Something that the console itself does not do. */
export class RefusedHere extends Error {
  override readonly name = "RefusedHere";
  readonly failure: Failure;

  constructor(title: string, detail: string) {
    super(title);
    this.failure = { title, detail, error: null, requestId: null, fields: {}, passes: false };
  }
}

/** The failure to show for anything that was thrown. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof RefusedHere) return thrown.failure;
  if (thrown instanceof OperatorError) {
    const { title, detail, error, status, requestId, fields, retryable } = thrown;
    const faults = Object.fromEntries(fields.map((fault) => [fault.field, fault.detail]));
    const passes = retryable || (status ?? 0) >= 500;
    return { title, detail, error, requestId, fields: faults, passes };
  }
  if (thrown instanceof DomainServerError || thrown instanceof DeviceDomainError) {
    const requestId = thrown instanceof DomainServerError ? thrown.requestId : null;
    return { title: thrown.message, detail: null, error: thrown.error, requestId, fields: {}, passes: false };
  }
  return { title: "This page failed", detail: String(thrown), error: null, requestId: null, fields: {}, passes: false };
}
