// What the page of the tests brings along: the library, as a web application bundles it, and a few names for tests.
import * as client from "../../../src/client/index.ts";

declare global {
  var library: typeof client;
  /** The device that the tab opened. */
  var device: client.DeviceDomain;
  /** A call that a test looks after later, and what it ends it with. */
  var call: Promise<unknown>;
  var controller: AbortController;
  /** Lets go on what a test has made wait. */
  var resume: () => void;
  var outcome: (call: Promise<unknown>) => Promise<Outcome>;
}

/** The outcome of a call in a page, in a form that leaves the page. */
export type Outcome = Readonly<{
  value?: unknown;
  /** The class of what was thrown, as `instanceof` in the page has it. */
  thrown?: "DomainServerError" | "DeviceDomainError" | "other";
  error?: string;
  code?: number | null;
  status?: number;
  retryable?: boolean;
  message?: string;
}>;

globalThis.library = client;
globalThis.outcome = async (call) => {
  try {
    return { value: await call };
  } catch (thrown) {
    if (thrown instanceof client.DomainServerError) {
      const { error, code, status, retryable, message } = thrown;
      return { thrown: "DomainServerError", error, code, status, retryable, message };
    }
    if (thrown instanceof client.DeviceDomainError) {
      const { error, retryable, message } = thrown;
      return { thrown: "DeviceDomainError", error, retryable, message };
    }
    return { thrown: "other", message: String(thrown) };
  }
};
