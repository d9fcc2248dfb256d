import { DomainOperator, type OperatorError } from "../operator/index.ts";

/** Observers of the console's requests. */
type Listener = Readonly<{
  /** The server does not take the credential (any more). */
  onSignedOut: (error: OperatorError) => void;
  /** The server answered, or could not be reached. */
  onReached: (isReached: boolean) => void;
}>;

/**
 * The server's administration, as the user of the console reaches it. It repeats nothing: the one who waits is told at
 * once, and has a button.
 *
 * @param token the credential; empty where something in front of the server adds one
 */
export function operatorWith(token: string, listener?: Listener): DomainOperator {
  const onError = (error: OperatorError) => {
    if (error.status === 401) listener?.onSignedOut(error);
    if (isLost(error)) listener?.onReached(false);
    else if (error.status !== null) listener?.onReached(true);
  };
  const asked: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (response.ok) listener?.onReached(true);
    return response;
  };
  return new DomainOperator(location.origin, { token, retries: 0, onError, fetch: asked });
}

/** Whether the server was not there, be it that something in front of it says so. */
function isLost({ error, status }: OperatorError): boolean {
  return error === "UNREACHABLE" || (error === "UNEXPECTED_ANSWER" && (status ?? 0) >= 500);
}
