/** A cell of a table: a number is written as a figure. */
type Cell = string | number;

/** Rows of cells as a Markdown table whose columns line up; all but the first `left` columns are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly Cell[])[], left = 1): string {
  const lines = [head, ...rows].map((row) => row.map((cell) => (typeof cell === "number" ? figure(cell) : cell)));
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)));
  const [first, ...others] = lines.map((line) =>
    line.map((cell, column) => (column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))),
  );
  const rule = widths.map((width, column) => (column < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [first ?? [], rule, ...others].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A number with as many digits as one can use: three that count, or all before the point. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A number without a fraction. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** A figure to reach, and what was measured; null where a run did not measure it. */
export type Target = Readonly<{
  what: string;
  against: string;
  bound: "at least" | "at most";
  target: number;
  unit: string;
  measured: number | null;
}>;

/** A target that is a least. */
export function atLeast(what: string, target: number, unit: string, measured: number | null, against = ""): Target {
  return { what, against, bound: "at least", target, unit, measured };
}

/** A target that is a most. */
export function atMost(what: string, target: number, unit: string, measured: number | null, against = ""): Target {
  return { what, against, bound: "at most", target, unit, measured };
}

/** The cells of a target: what to reach, what was measured, and whether that reaches it. */
export function targetCells({ bound, target, unit, measured }: Target): readonly string[] {
  const goal = `${bound} ${target}${unit}`;
  if (measured === null) return [goal, "–", "not measured"];
  const isCount = unit === "" && Number.isInteger(measured) && Number.isInteger(target);
  const isReached = bound === "at least" ? measured >= target : measured <= target;
  return [goal, `${isCount ? count(measured) : figure(measured)}${unit}`, isReached ? "yes" : "no"];
}
