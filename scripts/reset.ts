// `npm run reset`: erases the secrets and the data of local runs, once that is wanted.
import { existsSync, rmSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { SECRETS_FILE } from "./local-secrets.ts";
import { give, scriptOptions } from "./script-options.ts";

/** Where wrangler keeps the data of local runs. */
const DATA = ".wrangler/state";

const { yes } = scriptOptions<{ yes?: boolean }>("reset", "Erases the secrets and the data of local runs.", [
  ["--yes", "do not ask"],
]);
const there = [SECRETS_FILE, DATA].filter((path) => existsSync(path));
if (there.length === 0) give("There is nothing to erase.", 0);
if (!yes && !(await isWanted())) give("Nothing was erased.");
for (const path of there) rmSync(path, { recursive: true });
console.log(`Erased ${there.join(" and ")}. "npm run dev" begins anew.`);

async function isWanted(): Promise<boolean> {
  if (!process.stdin.isTTY) give("Nobody can be asked here: npm run reset -- --yes erases without asking.", 2);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`Erase ${there.join(" and ")}, with all local domains? [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
