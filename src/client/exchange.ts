import { ERROR_NAMES } from "../protocol/error-names.ts";
import { DeviceDomainError, DomainServerError, type ServerErrorDetails } from "./client-errors.ts";
import { orAborted } from "./retries.ts";

/** A request, as far as this client makes any. */
export type ClientRequest = Readonly<{
  method: "GET" | "POST" | "PATCH" | "DELETE";
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
}>;

/** How long a server may take over one answer: a try that hangs must not hang the device. */
const TRY_MILLISECONDS = 30_000;

/**
 * Asks the server once.
 *
 * @returns its JSON
 * @throws DomainServerError what it refuses
 * @throws DeviceDomainError `UNREACHABLE` if no whole answer comes back
 */
export async function exchange(
  fetch: typeof globalThis.fetch,
  { method, url, headers = {}, body }: ClientRequest,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const limit = AbortSignal.timeout(TRY_MILLISECONDS);
  const either = signal ? AbortSignal.any([signal, limit]) : limit;
  try {
    const response = await orAborted(
      fetch(url, {
        method,
        headers: { accept: "application/json", ...headers },
        // A signed request is for one address; and a server that redirects must not get the auth token.
        redirect: "manual",
        signal: either,
        ...(body === undefined ? {} : { body }),
      }),
      either,
    );
    const text = await orAborted(response.text(), either);
    if (!response.ok) throw new DomainServerError(refusalDetails(response, problemDocument(text)));
    // A cut answer is no longer JSON: as good as none.
    return JSON.parse(text);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DomainServerError) throw error;
    throw new DeviceDomainError("UNREACHABLE", `No answer came from ${new URL(url).origin}`, { cause: error });
  }
}

/** Reads a refusal from its problem document and its headers. */
export function refusalDetails(
  { headers, status }: Response,
  problem: Readonly<Record<string, unknown>>,
): ServerErrorDetails {
  return {
    error: ERROR_NAMES.find((name) => name === problem.error) ?? "UNEXPECTED_ANSWER",
    status,
    code: typeof problem.code === "number" ? problem.code : null,
    title: textMember(problem, "title"),
    detail: textMember(problem, "detail"),
    requestId: headers.get("x-request-id"),
    retryAfter: retryAfter(headers.get("retry-after"), time(headers.get("date")) ?? Date.now()),
    serverTime: textMember(problem, "serverTime"),
  };
}

/** A problem document, if the text is one. @see RFC 9457, Problem Details for HTTP APIs, section 3 */
export function problemDocument(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function textMember(problem: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = problem[name];
  return typeof value === "string" ? value : null;
}

/** @see RFC 9110, HTTP Semantics, section 10.2.3: seconds, or a date */
function retryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = time(header);
  return date === null ? null : Math.max(date - now, 0);
}

function time(header: string | null): number | null {
  const date = Date.parse(header ?? "");
  return Number.isNaN(date) ? null : date;
}
