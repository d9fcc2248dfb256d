import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect } from "vitest";
import { secretIn } from "../../model/log-scan.ts";

// Every line that a test has the server log is searched for secrets.

const LEVELS = ["info", "warn", "error"] as const;
const original = LEVELS.map((level) => [level, console[level].bind(console)] as const);
let found: string[] = [];

beforeEach(() => {
  found = [];
  for (const [level, write] of original) {
    console[level] = (...line: unknown[]) => {
      const secret = secretIn(line.map(String).join(" "), env.ADMIN_TOKEN);
      if (secret) found.push(`${secret}: ${line}`);
      write(...line);
    };
  }
});

afterEach(() => {
  for (const [level, write] of original) console[level] = write;
  expect(found).toEqual([]);
});
