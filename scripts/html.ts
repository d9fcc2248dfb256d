import { readFileSync } from "node:fs";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as HTML shows it. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** The style that all pages share, and more of one page. */
export function pageStyle(more: string): string {
  return `${readFileSync(new URL("../src/pages.css", import.meta.url), "utf8")}\n${more}`;
}

/** A whole page. @param stylesheet its address */
export function htmlPage(title: string, stylesheet: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${escaped(stylesheet)}">
</head>
<body>
${body}
</body>
</html>
`;
}

/** The Markdown of descriptions: paragraphs, `code` and *emphasis*. */
export function prose(text: string | undefined): string {
  return (text ?? "")
    .split("\n\n")
    .filter((paragraph) => paragraph !== "")
    .map((paragraph) => `<p>${inline(paragraph)}</p>`)
    .join("\n");
}

/** The same in one element, such as a summary. */
export function proseLines(text: string): string {
  return text.split("\n\n").map(inline).join("<br>");
}

function inline(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.startsWith("`")
        ? `<code>${escaped(part.slice(1, -1))}</code>`
        : escaped(part).replaceAll(/\*([^*]+)\*/g, "<em>$1</em>"),
    )
    .join("");
}
