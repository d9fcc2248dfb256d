import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The runtime's behaviour that the project is for, as a date (YYYY-MM-DD). */
export function compatibilityDate(): string {
  return /^compatibility_date = "(.*)"$/m.exec(readFileSync("wrangler.toml", "utf8"))?.[1] as string;
}

/** The statements of all migrations in a folder, in their order. */
export function migrations(folder = "migrations"): readonly string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  return names.sort().flatMap((name) => readFileSync(join(folder, name), "utf8").split("--> statement-breakpoint"));
}
