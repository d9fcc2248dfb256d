// Part of `npm run types`: the types of what operators send and get, from the schemas of the API's description. So the
// operator library's declarations need neither Zod nor anything of the server.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openApiDocument } from "../src/openapi/document.ts";

type Schema = Readonly<{
  $ref?: string;
  description?: string;
  type?: string | readonly string[];
  const?: unknown;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
}>;

/** Where the types are written. */
const FILE = fileURLToPath(new URL("../src/operator/responses.ts", import.meta.url));

const HEAD = "// Made by `npm run types` from the schemas in src/openapi. Do not edit.\n";

/** Paths that operators use besides `/admin`. */
const PUBLIC_PATHS: readonly string[] = ["/health", "/domains/{domain}/keys"];

const PRIMITIVES: Readonly<Record<string, string>> = { integer: "number" };

/** The text of the file: one type for each schema that operators' requests and responses consist of. */
export function operatorTypes(): string {
  const { paths = {}, components } = openApiDocument("0");
  const schemas = (components?.schemas ?? {}) as Readonly<Record<string, Schema>>;
  const named = new Set<string>();
  for (const [path, operations] of Object.entries(paths)) {
    if (!path.startsWith("/admin") && !PUBLIC_PATHS.includes(path)) continue;
    // Refusals have a type of their own in the library.
    for (const name of referencesIn(operations, /^[45]\d\d$/)) addWithParts(name);
  }
  return HEAD + [...named].sort().map(declaration).join("");

  function addWithParts(name: string): void {
    if (named.has(name) || isPrimitive(schemas[name] as Schema)) return;
    named.add(name);
    for (const part of referencesIn(schemas[name])) addWithParts(part);
  }

  function declaration(name: string): string {
    const schema = schemas[name] as Schema;
    return `\n${comment(schema.description, "")}export type ${name} = ${typeOf(schema, "")};\n`;
  }

  function typeOf(schema: Schema, indent: string): string {
    const { $ref, anyOf, oneOf, type, items, properties, required = [] } = schema;
    if ($ref !== undefined) {
      const name = nameOf($ref);
      return named.has(name) ? name : typeOf(schemas[name] as Schema, indent);
    }
    const choices = anyOf ?? oneOf;
    if (choices) return [...new Set(choices.map((choice) => typeOf(choice, indent)))].join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (items) return `ReadonlyArray<${typeOf(items, indent)}>`;
    if (!properties)
      return [type ?? "unknown"]
        .flat()
        .map((each) => PRIMITIVES[each] ?? each)
        .join(" | ");
    const inner = `${indent}  `;
    const members = Object.entries(properties).map(([name, member]) => {
      const optional = required.includes(name) ? "" : "?";
      const { description = member.$ref && schemas[nameOf(member.$ref)]?.description } = member;
      return `${comment(description, inner)}${inner}${name}${optional}: ${typeOf(member, inner)};\n`;
    });
    return `Readonly<{\n${members.join("")}${indent}}>`;
  }
}

/** A schema that is no more than a string or a number is not worth a name. */
function isPrimitive({ properties, anyOf, oneOf, items }: Schema): boolean {
  return !(properties || items || anyOf || oneOf);
}

/** The names of the schemas that a part of the document refers to, without what is below certain members. */
function referencesIn(part: unknown, without = /^$/): readonly string[] {
  if (typeof part !== "object" || part === null) return [];
  return Object.entries(part).flatMap(([name, value]) => {
    if (name === "$ref" && typeof value === "string" && value.startsWith("#/components/schemas/")) return nameOf(value);
    return without.test(name) ? [] : referencesIn(value, without);
  });
}

function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

function comment(text: string | undefined, indent: string): string {
  return text ? `${indent}/** ${text.replaceAll("*/", "* /")} */\n` : "";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, operatorTypes());
