const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
// A day of the server's is one in UTC, wherever the operator is.
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

/** A moment, in the operator's own time zone. */
export function Time({ at, part = "both" }: { at: string; part?: "both" | "clock" }) {
  return (
    <time dateTime={at} title={at}>
      {(part === "clock" ? CLOCK : TIME).format(new Date(at))}
    </time>
  );
}

/** The day a moment falls on, in the operator's own time zone. */
export function dayOf(at: string): string {
  return DATE.format(new Date(at));
}

/** A day of the server's calendar, as in `2026-11-23`. */
export function Day({ day }: { day: string }) {
  return <time dateTime={day}>{dayText(day)}</time>;
}

/** The same as a text. */
export function dayText(day: string): string {
  return DAY.format(new Date(`${day}T00:00:00Z`));
}
