import type { ErrorName } from "../protocol/error-names.ts";

/** The names of what can go wrong on the device's own side; branch on them, never on a message. */
export type DeviceErrorName =
  /** The URL is not that of a domain, or plain http to another machine. */
  | "INVALID_DOMAIN_URL"
  /** The machine GUID asked for is not a UUID of version 4 or 7. */
  | "INVALID_MACHINE_GUID"
  /** The store holds a device with another machine GUID. */
  | "MACHINE_GUID_CONFLICT"
  /** The device has not joined, or has left. */
  | "NOT_A_MEMBER"
  /** A leave was begun and is not finished: finish it with `leave()`, and with `beforeLeaving` if it was begun so. */
  | "LEAVE_UNFINISHED"
  /** The handle is none that a device can have. */
  | "INVALID_HANDLE"
  /** The device to be removed is this one: it leaves, with `leave()`. */
  | "THIS_DEVICE"
  /** The secret is for another domain, or for a key that the device does not hold yet: renew. */
  | "KEY_NOT_HELD"
  /** The secret is for a key that was retired before the device got it: nobody hands that key out any more. */
  | "KEY_RETIRED"
  /** The secret is not a JWE that a domain's key opens. */
  | "UNREADABLE_SECRET"
  /** The server said something that does not hold up; nothing of it was stored. */
  | "UNTRUSTED_ANSWER"
  /** No whole answer came back; whether the server acted is not known. */
  | "UNREACHABLE"
  /** The stored state of the device cannot be read; nothing of it was changed. */
  | "STORE_MALFORMED"
  /** The store's folder is another user's, or other users may enter it: nothing was read or written. */
  | "STORE_NOT_PRIVATE"
  /** A domain token is past its end. */
  | "DOMAIN_TOKEN_EXPIRED"
  /** A domain token is of a key version below the lowest that will do. */
  | "DOMAIN_TOKEN_OUTDATED"
  /** A statement is of another domain than the one asked for. */
  | "OTHER_DOMAIN"
  /** A statement is signed by none of the authorities that are trusted. */
  | "UNKNOWN_AUTHORITY"
  /** A domain token is malformed, or its signature does not hold. */
  | "INVALID_DOMAIN_TOKEN";

/** Something that went wrong on the device's own side: `error` says what, `retryable` whether to ask again later. */
export class DeviceDomainError extends Error {
  override readonly name = "DeviceDomainError";
  readonly error: DeviceErrorName;
  readonly retryable: boolean;

  constructor(error: DeviceErrorName, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.error = error;
    this.retryable = error === "UNREACHABLE";
  }
}

/** The names of a server's refusals; `UNEXPECTED_ANSWER` for any other, such as a proxy's. */
export type ServerErrorName = ErrorName | "UNEXPECTED_ANSWER";

/** The members of a server's refusal. */
export type ServerErrorDetails = Readonly<{
  error: ServerErrorName;
  status: number;
  code: number | null;
  title: string | null;
  detail: string | null;
  requestId: string | null;
  retryAfter: number | null;
  serverTime: string | null;
}>;

/**
 * A refusal by the server.
 *
 * @see RFC 9457, Problem Details for HTTP APIs, section 3
 */
export class DomainServerError extends Error {
  override readonly name = "DomainServerError";
  /** The stable name to branch on. */
  readonly error: ServerErrorName;
  readonly status: number;
  /** The number of the reference logic, for the errors that have one. */
  readonly code: number | null;
  readonly detail: string | null;
  /** The request's id, by which the server's operator finds it in the log. */
  readonly requestId: string | null;
  /** Whether the same request may be granted later, unchanged. */
  readonly retryable: boolean;
  /** How long the server asks to be left alone, in milliseconds. */
  readonly retryAfter: number | null;
  /** Its time, as a JWS of the domain authority, if it refused the request for its time. */
  readonly serverTime: string | null;

  constructor({ error, status, code, title, detail, requestId, retryAfter, serverTime }: ServerErrorDetails) {
    super(detail ?? title ?? `The server answered with status ${status}`);
    this.error = error;
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.requestId = requestId;
    this.retryable = isRetryableStatus(status);
    this.retryAfter = retryAfter;
    this.serverTime = serverTime;
  }
}

/** Too many requests, and the three that say that no server could answer (RFC 9110, section 15.6). */
const RETRYABLE: readonly number[] = [429, 502, 503, 504];

/** Whether a response with this status may be another one later. */
export function isRetryableStatus(status: number): boolean {
  return RETRYABLE.includes(status);
}

/** Whether the same may be asked again later. */
export function isRetryable(error: unknown): error is DomainServerError | DeviceDomainError {
  return (error instanceof DomainServerError || error instanceof DeviceDomainError) && error.retryable;
}

/** Whether the server has said no: what it was asked for did not happen. */
export function isRefusal(error: unknown): error is DomainServerError {
  return error instanceof DomainServerError && !error.retryable && error.status < 500;
}
