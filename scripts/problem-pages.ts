import { EXPLANATIONS } from "../src/openapi/explanations.ts";
import { ERROR_NUMBERS, type ErrorName } from "../src/protocol/error-names.ts";
import { PROBLEMS, problemPath } from "../src/server/http/problems.ts";
import { escaped, htmlPage, pageStyle } from "./html.ts";

const STYLE = pageStyle(`body { max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }
dd { margin: 0; }
`);

/** A page for each problem, at the address that its `type` is, and one that lists them: files by their paths. */
export function problemPages(): Readonly<Record<string, string>> {
  const names = Object.keys(PROBLEMS) as ErrorName[];
  return {
    "problems/problems.css": STYLE,
    "problems/index.html": list(names),
    ...Object.fromEntries(names.map((name) => [`${problemPath(name).slice(1)}.html`, page(name)])),
  };
}

function list(names: readonly ErrorName[]): string {
  const items = names.map(
    (name) =>
      `<li><a href="${escaped(problemPath(name))}"><code>${escaped(name)}</code></a> ${escaped(PROBLEMS[name].title)}</li>`,
  );
  return html(
    "Problems",
    `<h1>Problems</h1>
<p>Every error that this server answers with. The <a href="/docs">API's description</a> says what gives which.</p>
<ul>
${items.join("\n")}
</ul>`,
  );
}

function page(name: ErrorName): string {
  const problem = PROBLEMS[name];
  const { happened, todo } = EXPLANATIONS[name];
  const statuses = STATUSES[name] ?? `${problem.status}`;
  const code = name in ERROR_NUMBERS ? `\n<dt>Code</dt><dd>${escaped(`${ERROR_NUMBERS[name]}`)}</dd>` : "";
  return html(
    problem.title,
    `<h1>${escaped(problem.title)}</h1>
<dl>
<dt>Error</dt><dd><code>${escaped(name)}</code></dd>
<dt>Status</dt><dd>${escaped(statuses)}</dd>${code}
</dl>
<h2>What happened</h2>
<p>${escaped(happened)}</p>
<h2>What to do</h2>
<p>${escaped(todo)}</p>
<p><a href="/problems/">All problems</a></p>`,
  );
}

/** The statuses of an error that comes with several. */
const STATUSES: { readonly [Name in ErrorName]?: string } = {
  INVALID_REQUEST: "400, or 405 for a wrong method, 413 for a body that is too large, 415 for one of a wrong type",
};

function html(title: string, body: string): string {
  return htmlPage(title, "/problems/problems.css", body);
}
