import { shown } from "./shown.ts";

/** The value of a cell. */
export type Cell = string | number | boolean | null;

const GAP = "  ";
/** How many rows are aligned together: a list may be too long to wait for its end. */
const ALIGNED_ROWS = 200;

/** Rows below their headings, as lines of aligned columns. Later rows may be wider, never narrower. */
export async function* tableLines(
  headings: readonly string[],
  rows: AsyncIterable<readonly Cell[]>,
): AsyncGenerator<string> {
  let widths = headings.map(() => 0);
  let waiting: (readonly string[])[] = [headings];
  const aligned = () => {
    widths = widths.map((width, column) => Math.max(width, ...waiting.map((row) => row[column]?.length ?? 0)));
    const lines = waiting.map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join(GAP)
        .trimEnd(),
    );
    waiting = [];
    return lines;
  };
  for await (const row of rows) {
    waiting.push(row.map(cellText));
    if (waiting.length >= ALIGNED_ROWS) yield* aligned();
  }
  yield* aligned();
}

/** The members of a response, each on a line with its value. */
export function factLines(facts: object): readonly string[] {
  const entries = Object.entries(facts).map(([name, value]) => [shown(name), value] as const);
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => {
    const cell = typeof value === "object" && value !== null ? JSON.stringify(value) : (value as Cell);
    return `${name.padEnd(width)}${GAP}${cellText(cell)}`;
  });
}

/** A cell as a terminal may show it. */
function cellText(cell: Cell): string {
  if (cell === null || cell === "") return "-";
  return typeof cell === "boolean" ? (cell ? "yes" : "no") : shown(String(cell));
}
