/** What was done last, until it is dismissed. A screen reader says it. */
export function OutcomeRegion({ text, onDismiss }: { text: string | null; onDismiss: () => void }) {
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
