import type { LogChange, LogEntry } from "../operator/index.ts";

/** Members that a reader of the log does not need. */
const LEFT_OUT: readonly string[] = ["type", "requestId", "deviceKeyThumbprint", "kid"];

/** A log entry in one line. */
export function entryText({ changes }: LogEntry): string {
  return changes.map(changeText).join("; ");
}

function changeText(change: LogChange): string {
  const members = Object.entries(change).flatMap(([name, value]: [string, unknown]) => {
    if (LEFT_OUT.includes(name)) return [];
    return typeof value === "object" && value !== null ? [] : [`${name}=${value}`];
  });
  const differences = change.type === "settings-changed" ? differencesOf(change) : [];
  return [change.type, ...members, ...differences].join(" ");
}

function differencesOf({ settings, previous }: Extract<LogChange, { type: "settings-changed" }>): readonly string[] {
  const before: Readonly<Record<string, unknown>> = previous;
  return Object.entries(settings)
    .filter(([name, value]) => value !== before[name])
    .map(([name, value]) => `${name}=${before[name]}->${value}`);
}
