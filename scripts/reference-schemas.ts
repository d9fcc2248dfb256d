import { escaped, prose } from "./html.ts";

/** As much of JSON Schema as the API's description uses. */
export type Schema = Readonly<{
  $ref?: string;
  description?: string;
  type?: string;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  const?: unknown;
  enum?: readonly unknown[];
  format?: string;
  contentSchema?: Schema;
}> &
  Readonly<Partial<Record<Limit, unknown>>>;

type Limit = keyof typeof LIMITS;

/** How a limit of a value is said. */
const LIMITS = {
  minimum: "at least",
  maximum: "at most",
  minLength: "length at least",
  maxLength: "length at most",
  minItems: "items at least",
  maxItems: "items at most",
  default: "by default",
  pattern: "matches",
} as const;
/** A longer pattern tells nobody anything. */
const LONGEST_PATTERN = 80;

/** The name of what a reference leads to. */
export function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

/** A schema in full: its type, its limits, what it is for, and its members. */
export function schemaHtml(schema: Schema): string {
  return `<p class="type">${typeHtml(schema)}</p>\n${explanation(schema)}`;
}

function explanation(schema: Schema): string {
  const options = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(({ properties }) => properties);
  const content = schema.contentSchema ? `<p>It contains: ${typeHtml(schema.contentSchema)}</p>` : "";
  const members = [schema, ...(schema.items ? [schema.items] : []), ...options].map(membersHtml);
  return [prose(schema.description), content, ...members].filter((part) => part !== "").join("\n");
}

function membersHtml({ properties, required }: Schema): string {
  if (!properties) return "";
  const members = Object.entries(properties).map(([name, schema]) => {
    const optional = required?.includes(name) ? "" : ' <span class="optional">optional</span>';
    return `<dt><code>${escaped(name)}</code> ${typeHtml(schema)}${optional}</dt>\n<dd>${explanation(schema)}</dd>`;
  });
  return `<dl>\n${members.join("\n")}\n</dl>`;
}

/** The type of a value, in one line. */
export function typeHtml(schema: Schema): string {
  const limits = (Object.keys(LIMITS) as Limit[]).map((limit) => limitHtml(limit, schema[limit]));
  return [kindHtml(schema), ...limits].filter((part) => part !== "").join(", ");
}

function kindHtml(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = escaped(nameOf(schema.$ref));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map(typeHtml).join(" or ");
  if (schema.const !== undefined) return json(schema.const);
  if (schema.enum) return schema.enum.map(json).join(" or ");
  if (schema.items) return `array of ${typeHtml(schema.items)}`;
  return escaped([schema.type ?? "any", schema.format ?? ""].filter((part) => part !== "").join(": "));
}

function limitHtml(limit: Limit, value: unknown): string {
  if (value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) return "";
  if (limit === "pattern" && String(value).length > LONGEST_PATTERN) return "";
  return `${LIMITS[limit]} ${limit === "pattern" ? `<code>${escaped(String(value))}</code>` : json(value)}`;
}

function json(value: unknown): string {
  return `<code>${escaped(JSON.stringify(value))}</code>`;
}
