const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
// A day of the server's is one in UTC, wherever the operator is.
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

/** Units of time, from small to large: how many seconds each has, and from how many on the next is used. */
const UNITS = [
  ["minute", 60, 60],
  ["hour", 3_600, 24],
  ["day", 86_400, 7],
] as const;

/** A moment, in the operator's own time zone: how long ago it was, if that is not long. The whole of it is its title. */
export function Time({ at, part = "both" }: { at: string; part?: "both" | "clock" }) {
  const moment = new Date(at);
  return (
    <time dateTime={at} title={`${TIME.format(moment)} (${at})`}>
      {part === "clock" ? CLOCK.format(moment) : (agoText(moment.getTime(), Date.now()) ?? TIME.format(moment))}
    </time>
  );
}

/** How long ago a moment was; null if it was more than a week ago, or is not over. */
function agoText(moment: number, now: number): string | null {
  const seconds = (now - moment) / 1_000;
  const unit = seconds < 0 ? undefined : UNITS.find(([, length, most]) => seconds / length < most);
  return unit ? RELATIVE.format(-Math.floor(seconds / unit[1]), unit[0]) : null;
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
