import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REDOCLY = fileURLToPath(new URL("../node_modules/@redocly/cli/bin/cli.js", import.meta.url));

/** Where Redoc would load its logo and icons from, and tell who reads it. What does not load, it leaves out. */
const MAKERS_SERVERS = /https:\/\/(?:cdn|otel)[\w.]*\.redoc[\w./-]*/g;

/** What keeps Redocly's programs from telling anybody that they run. */
export const REDOCLY_QUIET = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", DO_NOT_TRACK: "1" };

/** Gives the elements the styles that were in their markup: set by a script, the content security policy lets them. */
const STYLES_SCRIPT = `for (const element of document.querySelectorAll("[data-style]")) {
  element.style.cssText = element.dataset.style;
  element.removeAttribute("data-style");
}
`;

/**
 * The API's description as a page, made by Redoc: its files by their paths. What Redoc puts into the page itself comes
 * in files of its own, so that the page can be served under a policy that forbids inline scripts and styles.
 */
export function referencePage(document: object): Readonly<Record<string, string>> {
  const files: Record<string, string> = { "docs/styles.js": STYLES_SCRIPT };
  const file = (kind: "css" | "js", contents: string) => {
    const path = `docs/${Object.keys(files).length}.${kind}`;
    files[path] = contents;
    return `/${path}`;
  };
  const [head, body] = split(redoc(document), "<body>");
  const extracted = (html: string) =>
    html
      .replaceAll(
        /<style[^>]*>(.*?)<\/style>/gs,
        (_, css: string) => `<link rel="stylesheet" href="${file("css", css)}">`,
      )
      .replaceAll(
        /<script([^>]*)>(.*?)<\/script>/gs,
        (_, attributes: string, js: string) => `<script${attributes} src="${file("js", js)}"></script>`,
      )
      .replaceAll(/(<[a-z]+(?: [a-z-]+(?:="[^"]*")?)*) style=/g, "$1 data-style=");
  const page = `${extracted(head)}<body>${extracted(body)}`;
  return {
    ...files,
    "docs.html": page
      .replace("</head>", `<link rel="icon" href="data:,"></head>`)
      .replace("</body>", '<script src="/docs/styles.js"></script></body>'),
  };
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  if (at === -1) throw new Error(`There is no ${separator} in what Redoc made.`);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

/** The page as Redoc makes it. */
function redoc(document: object): string {
  const folder = mkdtempSync(join(tmpdir(), "reference-page-"));
  try {
    const [source, page] = [join(folder, "openapi.json"), join(folder, "page.html")];
    writeFileSync(source, JSON.stringify(document));
    const { status, stderr } = spawnSync(
      process.execPath,
      [REDOCLY, "build-docs", source, "--inlineBundle", "--output", page],
      { env: { ...process.env, ...REDOCLY_QUIET }, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`Redoc could not make the page.\n${stderr}`);
    const html = readFileSync(page, "utf8");
    if (!html.includes('"disableTelemetry":true')) throw new Error("Redoc would tell its makers who reads the page.");
    return html.replaceAll(MAKERS_SERVERS, "data:,");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
