import { readFileSync, writeFileSync } from "node:fs";

/** The thing tried, how many times, all that broke, and further figures. */
export type Row = Readonly<{ what: string; tried: number; broke: readonly string[]; figures: string }>;

const DOCUMENT = "docs/reliability.md";
/** The text between these lines of the document is the torture's; the rest is written by hand. */
const [BEGIN, END] = ["<!-- written by npm run torture -->", "<!-- end of what npm run torture writes -->"];

/** The rows as a table in Markdown. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map(({ what, tried, broke, figures }) => {
    return `| ${what} | ${tried.toLocaleString("en")} | ${broke.length === 0 ? "nothing" : broke.length} | ${figures} |`;
  });
  return ["| what was tried | how many | what broke | figures |", "|---|---:|---|---|", ...lines].join("\n");
}

/** Puts a table into the document. */
export function writeTable(text: string): void {
  const document = readFileSync(DOCUMENT, "utf8");
  const [before, after] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${DOCUMENT} has no place for the table`);
  writeFileSync(DOCUMENT, `${document.slice(0, before)}${BEGIN}\n\n${text}\n\n${document.slice(after)}`);
}
