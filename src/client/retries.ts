import { isRetryable } from "./client-errors.ts";

/** Waits; rejects with the signal's reason as soon as that aborts. */
export type Pause = (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;

/** How a call is repeated. */
export type RetryPolicy = Readonly<{
  /** How many times after the first. */
  retries: number;
  pause: Pause;
  /** Which failures may pass; those of a device's requests if left out. */
  mayPass?: (error: unknown) => boolean;
}>;

const FIRST_MILLISECONDS = 1_000;
const LONGEST_MILLISECONDS = 60_000;

/** Four tries after the first: together they take some seconds, of which a server that is replaced needs few. */
export const DEFAULT_RETRIES = 4;

/** Does something that is safe to repeat, again as long as it fails in a way that may pass. */
export async function withRetries<T>(
  { retries, pause, mayPass = isRetryable }: RetryPolicy,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (attempt > retries || !mayPass(error)) throw error;
      await pause(retryDelay(attempt, error), signal);
    }
  }
}

/**
 * How long to wait after a failed attempt, in milliseconds: exponentially longer, and at random, so that devices that
 * failed together do not come back together. What the server asks for comes on top, within reason.
 *
 * @param attempt 1 for the first
 */
function retryDelay(attempt: number, error: unknown): number {
  const backoff = Math.min(FIRST_MILLISECONDS * 2 ** (attempt - 1), LONGEST_MILLISECONDS) * Math.random();
  const asked = (error as Readonly<{ retryAfter?: number | null }> | null)?.retryAfter ?? 0;
  return Math.min(asked + backoff, LONGEST_MILLISECONDS);
}

/** Waits by the clock. */
export const pauseByClock: Pause = (milliseconds, signal) => {
  let timer: ReturnType<typeof setTimeout>;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  return orAborted(elapsed, signal).finally(() => clearTimeout(timer));
};

/** A promise, unless the signal aborts first: then rejects with the signal's reason. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  // Nobody looks at it any more once the signal won.
  promise.catch(() => {});
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}
