// `npm run assets`: builds what is served as files, beside the Worker. Wrangler runs it before it reads them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { openApiDocument } from "../src/openapi/document.ts";
import { problemPages } from "./problem-pages.ts";
import { referencePage } from "./reference-page.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** The folder that `directory` in wrangler.toml names. */
const FOLDER = join(ROOT, "build", "assets");

/** Files by their path below the folder. What is at `x.html` is served at `/x`. */
type Files = Readonly<Record<string, string | Uint8Array>>;

/** The built files. No path may be one of the Worker's: a file is served before the Worker is asked. */
const PARTS: readonly (() => Files | Promise<Files>)[] = [headers, consolePage, ownerPage, description, problemPages];

/**
 * Pages speak to their own server alone, and are in no frame. None runs a script: it could read the operator's token. The
 * Worker serves one more page, to owners, with a policy that says where they sign in: `src/server/http/owner-page.ts`.
 */
const POLICY = {
  "default-src": "'none'",
  "script-src": "'none'",
  "style-src": "'self'",
  "img-src": "'self' data:",
  "connect-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'none'",
  "frame-ancestors": "'none'",
};

/** The console has the operator's token in its storage. It alone runs scripts, its own files. */
const CONSOLE_POLICY = { ...POLICY, "script-src": "'self'" };

const HEADERS = {
  "content-security-policy": policy(POLICY),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  // May be kept, but not used without asking: a page must fit the Worker it speaks to.
  "cache-control": "no-cache",
};

/** Headers of every file. */
function headers(): Files {
  const lines = Object.entries(HEADERS).map(([name, value]) => `  ${name}: ${value}\n`);
  const name = "content-security-policy";
  const forConsole = `/console\n  ! ${name}\n  ${name}: ${policy(CONSOLE_POLICY)}\n`;
  return { _headers: `/*\n${lines.join("")}${forConsole}` };
}

function policy(directives: Readonly<Record<string, string>>): string {
  return Object.entries(directives)
    .map(([name, sources]) => `${name} ${sources}`)
    .join("; ");
}

/** The operators' console. */
async function consolePage(): Promise<Files> {
  return {
    "console.html": readFileSync(join(ROOT, "src", "console", "console.html")),
    ...(await bundled("console")),
  };
}

/** Script and style of the owners' page. */
function ownerPage(): Promise<Files> {
  return bundled("owner-page");
}

/** A page's script and style, each in one file, as they are called in its folder of `src`. */
async function bundled(page: string): Promise<Files> {
  const { outputFiles } = await build({
    entryPoints: ["tsx", "css"].map((type) => join(ROOT, "src", page, `${page}.${type}`)),
    outdir: "/",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    tsconfig: join(ROOT, "tsconfig.console.json"),
    legalComments: "none",
    write: false,
  });
  return Object.fromEntries(outputFiles.map(({ path, contents }) => [`${page}${path}`, contents]));
}

/** The description of the API, for programs and for people. */
function description(): Files {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  const document = openApiDocument(version);
  return { "openapi.json": JSON.stringify(document, null, 2), ...referencePage(document) };
}

const files: Files = Object.assign({}, ...(await Promise.all(PARTS.map((part) => part()))));
for (const [path, contents] of Object.entries(files)) replace(join(FOLDER, path), Buffer.from(contents));
removeAllBut(new Set(Object.keys(files)));

/** Writes a file in one step, and not at all if it is so already: others may be reading it, or wait for it to change. */
function replace(path: string, contents: Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  if (current(path)?.equals(contents)) return;
  const folder = mkdtempSync(join(ROOT, "build", "new-"));
  writeFileSync(join(folder, "file"), contents);
  renameSync(join(folder, "file"), path);
  rmSync(folder, { recursive: true });
}

function current(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** Removes what an earlier build made and this one did not. */
function removeAllBut(paths: ReadonlySet<string>): void {
  for (const entry of readdirSync(FOLDER, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(FOLDER.length + 1).replaceAll("\\", "/");
    if (entry.isFile() && !paths.has(name)) rmSync(path, { force: true });
  }
}
