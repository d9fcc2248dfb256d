import { readFileSync } from "node:fs";
import { migrations, statementsOf } from "../scripts/project.ts";

/**
 * The Workers that are measured side by side: the server, the same with objects that do nothing, a Worker and an object
 * without any of its code, and the reference logic written literally on D1.
 */
export const VARIANTS = ["ours", "empty", "bare", "literal"] as const;
export type Variant = (typeof VARIANTS)[number];

/** The statements that make a variant's tables in D1. */
export function tablesOf(variant: Variant): readonly string[] {
  return variant === "literal"
    ? readFileSync("bench/literal/0000_tables.sql", "utf8").split("--> statement-breakpoint")
    : migrations().flatMap(statementsOf);
}

/** Whether a variant really has the members of its domains. */
export function hasMembers(variant: Variant): boolean {
  return variant === "ours" || variant === "literal";
}
