import { useState } from "preact/hooks";
import { Button, FailureNotice, Field } from "./components.tsx";
import type { Failure } from "./failures.ts";
import { useAction } from "./hooks.ts";
import { operatorWith } from "./operator.ts";

/** Asks for the credential, and tries it. */
export function SignIn({ failure, onSignIn }: { failure: Failure | null; onSignIn: (token: string) => void }) {
  const [token, setToken] = useState("");
  const signIn = useAction();
  const submit = async (event: Event) => {
    event.preventDefault();
    const given = token.trim();
    await signIn.run(async () => {
      await operatorWith(given).identity();
      onSignIn(given);
    });
  };
  return (
    <form class="sign-in card" onSubmit={submit}>
      <h1>Sign in</h1>
      <p class="lead">For operators. You see and do here what your token allows.</p>
      <Field
        label="Operator token"
        hint="The admin token, or a token of your issuer. Kept in this tab only, and gone when it is closed. Leave it empty where Cloudflare Access signs you in."
        control={(attributes) => (
          <input
            {...attributes}
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        )}
      />
      <FailureNotice failure={signIn.busy ? null : (signIn.failure ?? failure)} />
      <Button type="submit" kind="primary" busy={signIn.busy}>
        Sign in
      </Button>
    </form>
  );
}
