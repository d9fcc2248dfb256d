import { Button, FailureNotice, Progress } from "../console/components.tsx";
import type { Failure } from "../console/failures.ts";
import { useAction, useLoaded } from "../console/hooks.ts";
import { type SignInIssuer, signInIssuers } from "./owner-server.ts";
import { beginSignIn, hostOf } from "./sign-in.ts";

/** Offers the issuers to sign in at. @param failure why nobody is signed in */
export function SignInPage({ domain, failure }: { domain: string | null; failure: Failure | null }) {
  const issuers = useLoaded((signal) => signInIssuers({ signal }), []);
  const signIn = useAction();
  return (
    <section class="sign-in card">
      <h1>Sign in</h1>
      <p class="lead">See the devices that use your subscription, name them, and remove those you no longer use.</p>
      <FailureNotice failure={signIn.busy ? null : (signIn.failure ?? issuers.failure ?? failure)} />
      {!issuers.value && issuers.busy && <Progress />}
      {issuers.failure && <Button onClick={issuers.reload}>Try again</Button>}
      {issuers.value?.map((issuer) => (
        <Button
          key={keyOf(issuer)}
          kind="primary"
          busy={signIn.busy}
          onClick={() => signIn.run(() => beginSignIn(issuer, domain))}
        >
          Sign in with {hostOf(issuer.issuer)}
        </Button>
      ))}
    </section>
  );
}

function keyOf({ issuer, clientId, audience }: SignInIssuer): string {
  return JSON.stringify([issuer, clientId, audience]);
}
