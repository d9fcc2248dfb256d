import { useRef } from "preact/hooks";
import { DeviceDomain, IndexedDbStore } from "../client/index.ts";
import { FailureNotice, Field, Progress } from "./components.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { useLoaded } from "./hooks.ts";
import { Sandbox } from "./sandbox.tsx";

/** This browser as a device of the domain: it joins, opens what is encrypted to the domain, and leaves. */
export function TryView({ overview, refresh }: DomainViewProps) {
  const { domain, authenticationRequired } = overview;
  const authToken = useRef("");
  const url = `${location.origin}/domains/${encodeURIComponent(domain)}`;
  const { value, failure, busy } = useLoaded(
    () =>
      DeviceDomain.open(url, {
        store: new IndexedDbStore("device-domains-console"),
        authToken: authenticationRequired ? () => authToken.current : undefined,
      }),
    [url, authenticationRequired],
  );
  return (
    <>
      <p class="lead">
        Here this browser is a device of its own. It keeps its keys to itself, as any device does, and is a member until
        it leaves.
      </p>
      {authenticationRequired && (
        <Field
          label="Auth token"
          hint="The domain asks for a token of a trusted issuer."
          control={(attributes) => (
            <input
              {...attributes}
              type="password"
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => {
                authToken.current = event.currentTarget.value.trim();
              }}
            />
          )}
        />
      )}
      <FailureNotice failure={failure} />
      {busy && <Progress />}
      {value && <Sandbox device={value} url={url} onChange={refresh} />}
    </>
  );
}
