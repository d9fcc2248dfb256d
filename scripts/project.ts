import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MIGRATIONS = "migrations";

/** The runtime's behaviour that the project is for, as a date (YYYY-MM-DD). */
export function compatibilityDate(): string {
  return /^compatibility_date = "(.*)"$/m.exec(readFileSync("wrangler.toml", "utf8"))?.[1] as string;
}

/** The names of the migrations, in their order. */
export function migrations(): string[] {
  return readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith(".sql"))
    .sort();
}

/** The statements of a migration. */
export function statementsOf(migration: string): readonly string[] {
  return readFileSync(join(MIGRATIONS, migration), "utf8").split("--> statement-breakpoint");
}
