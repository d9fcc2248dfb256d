import { VARIABLE_NAMES } from "../src/server/config.ts";

/** Names that local runs and the tools use besides the server's. */
const OTHERS = ["DEVELOPMENT_ISSUER_KEY"];

/** How many letters a name may be off to be taken for a slip. */
const MOST_OFF = 3;

/** Warnings of variables that nothing reads: their names, and the likely ones. */
export function unknownNames(names: readonly string[]): readonly string[] {
  const known = [...VARIABLE_NAMES, ...OTHERS];
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = known.toSorted((one, other) => distance(name, one) - distance(name, other))[0] as string;
      const meant = distance(name, near) <= MOST_OFF ? `: did you mean ${near}?` : ".";
      return `Nothing reads the variable ${name}${meant}`;
    });
}

/** The names under `[vars]` of a `wrangler.toml`. */
export function configuredNames(config: string): readonly string[] {
  const [, section = ""] = /^\[vars\]\n(.*?)(?=^\[|$(?![\s\S]))/ms.exec(config) ?? [];
  return [...section.matchAll(/^([A-Za-z_][A-Za-z0-9_]*) *=/gm)].map(([, name]) => name as string);
}

/** How many letters have to be put in, taken out or exchanged (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [at, letter] of [...one].entries()) {
    const next = [at + 1];
    for (const [index, each] of [...other].entries()) {
      const exchanged = (row[index] as number) + Number(letter !== each);
      next.push(Math.min(exchanged, (row[index + 1] as number) + 1, (next[index] as number) + 1));
    }
    row = next;
  }
  return row.at(-1) as number;
}
