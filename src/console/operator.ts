import { DomainOperator, type OperatorError } from "../operator/index.ts";

/**
 * The server's administration, as whoever looks at the console reaches it. It repeats nothing: the one who waits is told at
 * once, and has a button.
 *
 * @param token the credential; empty where something in front of the server adds one
 * @param onSignedOut told when the server does not take the credential (any more)
 */
export function operatorWith(token: string, onSignedOut: (error: OperatorError) => void = () => {}): DomainOperator {
  const onError = (error: OperatorError) => {
    if (error.status === 401) onSignedOut(error);
  };
  return new DomainOperator(location.origin, { token, retries: 0, onError });
}
