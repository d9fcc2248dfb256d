/** A UUID that is nothing but the name of a request. */
const REQUEST_ID = /"requestId":"[0-9a-f-]{36}"/g;

/** The prefix of devices' names in tests. */
export const DEVICE_NAME_SIGN = "~named~";

/** Patterns that must never be logged. */
const SECRETS: readonly (readonly [what: string, sign: RegExp])[] = [
  ["a member of a private JWK", /\\*"[dk]\\*"\s*:\s*\\*"[\w-]{20,}/],
  ["a compact JWS or JWE", /\beyJ[\w-]{8,}\.[\w-]*\.[\w-]+/],
  ["the name of a device", new RegExp(DEVICE_NAME_SIGN)],
  ["a whole GUID", /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i],
];

/** Goes through what a server logs. */
export class LogScan {
  /** How many lines there were. */
  lines = 0;
  /** The lines with a secret in them, each with what it is. */
  readonly secrets: string[] = [];
  /** The lines at level "error", and those that the server did not write itself. */
  readonly failures: string[] = [];
  readonly #adminToken: string;

  constructor(adminToken: string) {
    this.#adminToken = adminToken;
  }

  /** Takes in a line. */
  take(level: string, line: string): void {
    this.lines++;
    const secret = secretIn(line, this.#adminToken);
    if (secret) this.secrets.push(`${secret}: ${line}`);
    if (level === "error" || !isOurs(line)) this.failures.push(line);
  }
}

/** Which secret a log line holds; null if none. */
export function secretIn(line: string, adminToken: string): string | null {
  if (line.includes(adminToken)) return "the admin token";
  const text = line.replaceAll(REQUEST_ID, "");
  return SECRETS.find(([, sign]) => sign.test(text))?.[0] ?? null;
}

function isOurs(line: string): boolean {
  try {
    const { level, message } = JSON.parse(line) as { level?: unknown; message?: unknown };
    return typeof level === "string" && typeof message === "string";
  } catch {
    return false;
  }
}
