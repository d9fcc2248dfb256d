import { readFileSync } from "node:fs";
import { escaped, htmlPage, pageStyle, prose, proseLines } from "./html.ts";
import { nameOf, type Schema, schemaHtml, typeHtml } from "./reference-schemas.ts";

type Reference = Readonly<{ $ref: string }>;
type Example = Readonly<{ value: unknown }>;
type Content = Readonly<Record<string, Readonly<{ schema: Schema; examples?: Record<string, Example | Reference> }>>>;
type Header = Readonly<{ description: string; schema: Schema }>;
type Response = Readonly<{ description: string; headers?: Record<string, Header | Reference>; content?: Content }>;
type Parameter = Readonly<{ in: string; name: string; required?: boolean; description?: string; schema: Schema }>;
type Operation = Readonly<{
  operationId: string;
  tags: readonly string[];
  summary: string;
  description?: string;
  security: readonly Readonly<Record<string, readonly string[]>>[];
  parameters?: readonly Parameter[];
  requestBody?: Readonly<{ content: Content }>;
  responses: Readonly<Record<string, Response | Reference>>;
}>;

/** As much of an OpenAPI document as this one uses. @see OpenAPI Specification v3.1.1 */
type Document = Readonly<{
  info: Readonly<{ title: string; version: string; description: string }>;
  tags: readonly Readonly<{ name: string; description: string }>[];
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  components: Readonly<{
    schemas: Readonly<Record<string, Schema>>;
    securitySchemes: Readonly<Record<string, Readonly<{ description: string }>>>;
  }>;
}>;

type PlacedOperation = Operation & Readonly<{ method: string; path: string }>;

/** The API's description as a page without script: its files by their paths. */
export function referencePage(description: object): Readonly<Record<string, string>> {
  const document = description as Document;
  return {
    "docs/docs.css": pageStyle(readFileSync(new URL("reference-page.css", import.meta.url), "utf8")),
    "docs.html": htmlPage(document.info.title, "/docs/docs.css", new ReferencePage(document).body()),
  };
}

class ReferencePage {
  readonly #document: Document;
  readonly #operations: readonly PlacedOperation[];

  constructor(document: Document) {
    this.#document = document;
    this.#operations = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
    );
  }

  body(): string {
    const { info, tags, components } = this.#document;
    const credentials = Object.entries(components.securitySchemes).map(
      ([name, scheme]) => `<dt id="credential-${escaped(name)}"><code>${escaped(name)}</code></dt>
<dd>${prose(scheme.description)}</dd>`,
    );
    const schemas = Object.entries(components.schemas).map(
      ([name, schema]) => `<section id="schema-${escaped(name)}">
<h3>${escaped(name)}</h3>
${schemaHtml(schema)}
</section>`,
    );
    return `${this.#navigation()}
<main>
<h1>${escaped(info.title)} <small>${escaped(info.version)}</small></h1>
${prose(info.description)}
<p>The same for programs: <a href="/openapi.json">openapi.json</a>. Every error: <a href="/problems/">problems</a>.</p>
${tags.map(({ name, description }) => this.#group(name, description)).join("\n")}
<h2 id="credentials">Credentials</h2>
<dl>
${credentials.join("\n")}
</dl>
<h2 id="schemas">Schemas</h2>
${schemas.join("\n")}
</main>`;
  }

  #navigation(): string {
    const groups = this.#document.tags.map(({ name }) => {
      const links = this.#operationsOf(name).map(
        ({ operationId, summary }) => `<li><a href="#${escaped(operationId)}">${escaped(summary)}</a></li>`,
      );
      return `<p><a href="#group-${escaped(name)}">${escaped(name)}</a></p>\n<ul>\n${links.join("\n")}\n</ul>`;
    });
    return `<nav aria-label="Operations">
${groups.join("\n")}
<p><a href="#credentials">Credentials</a></p>
<p><a href="#schemas">Schemas</a></p>
</nav>`;
  }

  #operationsOf(group: string): readonly PlacedOperation[] {
    return this.#operations.filter(({ tags }) => tags.includes(group));
  }

  #group(name: string, description: string): string {
    const operations = this.#operationsOf(name).map((operation) => this.#operation(operation));
    return `<h2 id="group-${escaped(name)}">${escaped(name)}</h2>\n${prose(description)}\n${operations.join("\n")}`;
  }

  #operation(operation: PlacedOperation): string {
    const { operationId, summary, method, path, description, security, parameters = [], requestBody } = operation;
    const rows = parameters.map(
      (
        parameter,
      ) => `<dt><code>${escaped(parameter.name)}</code> ${escaped(parameter.in)}, ${typeHtml(parameter.schema)}${
        parameter.required ? "" : ' <span class="optional">optional</span>'
      }</dt>
<dd>${prose(parameter.description)}</dd>`,
    );
    const responses = Object.entries(operation.responses).map(([status, each]) => this.#response(status, each));
    return `<section id="${escaped(operationId)}">
<h3>${escaped(summary)}</h3>
<p class="address"><strong>${escaped(method)}</strong> <code>${escaped(path)}</code></p>
${prose(description)}
<p>Credentials: ${credentialsHtml(security)}.</p>
${rows.length > 0 ? `<h4>Parameters</h4>\n<dl>\n${rows.join("\n")}\n</dl>` : ""}
${requestBody ? `<h4>Request</h4>\n${this.#content(requestBody.content)}` : ""}
<h4>Responses</h4>
${responses.join("\n")}
</section>`;
  }

  #response(status: string, response: Response | Reference): string {
    const { description, headers = {}, content = {} } = this.#resolved(response);
    const rows = Object.entries(headers).map(([name, header]) => {
      const { schema, description: meaning } = this.#resolved(header);
      return `<dt><code>${escaped(name)}</code> ${typeHtml(schema)}</dt>\n<dd>${prose(meaning)}</dd>`;
    });
    return `<details>
<summary><strong>${escaped(status)}</strong> ${proseLines(description)}</summary>
${this.#content(content)}
${rows.length > 0 ? `<h5>Headers</h5>\n<dl>\n${rows.join("\n")}\n</dl>` : ""}
</details>`;
  }

  /** Bodies by their media types. The members of a named schema are shown at once, those within it by a link. */
  #content(content: Content): string {
    return Object.entries(content)
      .map(([mediaType, { schema, examples = {} }]) => {
        const named = schema.$ref === undefined || schema.contentSchema ? "" : `<p>${typeHtml(schema)}</p>\n`;
        const shown = Object.entries(examples).map(
          ([name, example]) => `<details>
<summary>Example: ${escaped(name)}</summary>
<pre>${escaped(exampleText(this.#resolved(example).value))}</pre>
</details>`,
        );
        const full = named === "" ? schema : this.#resolved<Schema>(schema as Reference);
        return `<p><code>${escaped(mediaType)}</code></p>\n${named}${schemaHtml(full)}\n${shown.join("\n")}`;
      })
      .join("\n");
  }

  /** The target of a reference, or the thing itself. */
  #resolved<Thing>(thing: Thing | Reference): Thing {
    if (!("$ref" in (thing as object))) return thing as Thing;
    const { $ref } = thing as Reference;
    const [, , kind] = $ref.split("/") as [string, string, keyof Document["components"]];
    return this.#document.components[kind][nameOf($ref)] as Thing;
  }
}

/** Which credentials an operation takes: one of these sets. */
function credentialsHtml(security: Operation["security"]): string {
  const sets = security.map((set) =>
    Object.entries(set)
      .map(([name, scopes]) => {
        const reach = scopes.length > 0 ? ` with <code>${escaped(scopes.join(" "))}</code>` : "";
        return `<a href="#credential-${escaped(name)}">${escaped(name)}</a>${reach}`;
      })
      .join(" and "),
  );
  return sets.length === 0 ? "none" : sets.map((set) => (set === "" ? "none" : set)).join(", or ");
}

function exampleText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
