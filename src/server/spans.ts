import { tracing } from "cloudflare:workers";

/** The parts of a request that a trace shows. */
type SpanName =
  | "verify signature"
  | "verify token"
  | "wait for batch"
  | "commit batch"
  | "sign credentials"
  | "seal keys";

/**
 * Runs work as a span of the request's trace. Work that most requests do without is measured alone: a span costs two
 * microseconds, traced or not.
 */
export function span<T>(name: SpanName, work: () => T): T {
  return tracing.enterSpan(name, work);
}

/**
 * Notes on the present span which trace of the caller it belongs to.
 *
 * @param traceparent the header
 * @returns the id of that trace; undefined for none
 * @see W3C Trace Context, section 3.2
 */
export function continueTrace(traceparent: string | undefined): string | undefined {
  const traceId = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)/.exec(
    traceparent ?? "",
  )?.[1];
  if (traceId !== undefined) tracing.getActiveSpan()?.setAttribute("caller.trace_id", traceId);
  return traceId;
}
