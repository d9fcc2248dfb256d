import type { DomainOverview } from "../operator/index.ts";
import { useConsole } from "./context.ts";
import { useLoaded } from "./hooks.ts";

/** Warn if the list is older than this, in seconds: what is just being written needs no warning. */
const NOTICEABLE_SECONDS = 1;

/** How far the database is behind a domain, as a sentence. */
export function DomainLag({ revision, copiedRevision, copySecondsBehind }: DomainOverview) {
  if (copiedRevision >= revision) return <>The database has revision {copiedRevision}, the newest.</>;
  return (
    <>
      The database has revision {copiedRevision} and is {secondsText(copySecondsBehind)} behind.
    </>
  );
}

/** Says that lists across domains may be old, while the database is behind. */
export function ListLag() {
  const { operator } = useConsole();
  const { value, failure, busy } = useLoaded(
    async (signal) => (await operator.health({ signal })).copy ?? null,
    [operator],
  );
  if (busy || failure) return null;
  if (value === null)
    return <p class="notice">This list may be old: it is not known how far the database is behind.</p>;
  if (value.seconds < NOTICEABLE_SECONDS) return null;
  return <p class="notice">This list may be old: the database is {secondsText(value.seconds)} behind.</p>;
}

function secondsText(seconds: number): string {
  const whole = Math.round(seconds);
  return whole === 1 ? "1 second" : `${whole.toLocaleString()} seconds`;
}
