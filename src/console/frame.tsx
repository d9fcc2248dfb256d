import { useEffect } from "preact/hooks";
import { Button } from "./components.tsx";
import { Time } from "./times.tsx";

/** How long it is shown what was done last, in milliseconds. */
const OUTCOME_TIME = 10_000;

/** The latest result, shown for a while or until it is dismissed. A screen reader says it. */
export function OutcomeRegion({ text, onDismiss }: { text: string | null; onDismiss: () => void }) {
  useEffect(() => {
    if (text === null) return;
    const timer = setTimeout(onDismiss, OUTCOME_TIME);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="outcome-region" role="status">
      {text !== null && (
        <div class="outcome">
          <p>{text}</p>
          <button type="button" class="button quiet" aria-label="Dismiss" onClick={onDismiss}>
            ×
          </button>
        </div>
      )}
    </div>
  );
}

/** Says that the server cannot be reached, and when the shown data was fetched. */
export function LostBanner({ since, onRetry }: { since: string | null; onRetry: () => void }) {
  return (
    <div role="alert" class="lost-region">
      {since !== null && (
        <div class="lost notice">
          <p>
            <strong>The server cannot be reached.</strong> What you see is as it was at <Time at={since} part="clock" />
            .
          </p>
          <Button onClick={onRetry}>Try again</Button>
        </div>
      )}
    </div>
  );
}

/** Three devices around what they share. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
      <circle cx="12" cy="12" r="10.5" />
      <circle class="dot" cx="12" cy="6.5" r="2.6" />
      <circle class="dot" cx="7.2" cy="14.8" r="2.6" />
      <circle class="dot" cx="16.8" cy="14.8" r="2.6" />
    </svg>
  );
}
