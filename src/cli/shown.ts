/** Control characters, and those that hide or turn around the text beside them. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A text from a server or a file as it may be printed: what a terminal would obey is escaped, such as `\u001b`. JSON stays
 * the same JSON.
 */
export function shown(text: string): string {
  return text.replace(OBEYED, (character) => character.split("").map(escaped).join(""));
}

function escaped(codeUnit: string): string {
  return `\\u${codeUnit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
