import { readFileSync, writeFileSync } from "node:fs";

/** Puts a text into the part of a document that a command writes; the rest is written by hand. */
export function writePart(document: string, command: string, text: string): void {
  const [begin, end] = [`<!-- written by ${command} -->`, `<!-- end of what ${command} writes -->`];
  const whole = readFileSync(document, "utf8");
  const [before, after] = [whole.indexOf(begin), whole.indexOf(end)];
  if (before < 0 || after < before) throw new Error(`${document} has no part that ${command} writes`);
  writeFileSync(document, `${whole.slice(0, before)}${begin}\n\n${text}\n\n${whole.slice(after)}`);
}
