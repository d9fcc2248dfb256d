// `npm run check`: format and lint, types, the API's description, tests (not with --except-tests);
// stops at the first that fails.
import { spawnSync } from "node:child_process";
import { scriptOptions } from "./script-options.ts";

const { exceptTests = false } = scriptOptions<{ exceptTests?: boolean }>(
  "check",
  "Checks format, lint, types, the API's description and the tests; stops at the first that fails.",
  [["--except-tests", "leave the tests out"]],
);

const STEPS: readonly (readonly string[])[] = [
  ["biome", "ci", "."],
  ["tsc", "--project", "tsconfig.json"],
  ["tsc", "--project", "tsconfig.node.json"],
  ["tsc", "--project", "tsconfig.client.json"],
  ["tsc", "--project", "tsconfig.console.json"],
  ["node", "scripts/assets.ts"],
  ["redocly", "lint", "build/assets/openapi.json"],
  // After a run of the tests a moment ago, another is not needed.
  ...(exceptTests ? [] : [["vitest", "run"]]),
];

/** Keeps Redocly's program from telling anybody that it runs. */
const REDOCLY_QUIET = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", DO_NOT_TRACK: "1" };
const env = { ...process.env, ...REDOCLY_QUIET };

for (const [command, ...args] of STEPS) {
  console.log(`\n> ${command} ${args.join(" ")}`);
  const { status } = spawnSync(command as string, args, { env, stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) process.exit(status ?? 1);
}
