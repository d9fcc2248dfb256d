// `npm run check`: format and lint, types, tests; stops at the first that fails.
import { spawnSync } from "node:child_process";

const STEPS: readonly (readonly string[])[] = [
  ["biome", "ci", "."],
  ["tsc", "--project", "tsconfig.json"],
  ["tsc", "--project", "tsconfig.node.json"],
  ["tsc", "--project", "tsconfig.client.json"],
  ["tsc", "--project", "tsconfig.console.json"],
  ["vitest", "run"],
];

for (const [command, ...args] of STEPS) {
  console.log(`\n> ${command} ${args.join(" ")}`);
  const { status } = spawnSync(command as string, args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) process.exit(status ?? 1);
}
