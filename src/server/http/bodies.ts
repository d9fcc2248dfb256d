import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type * as z from "zod";
import type { FieldError } from "../../domain/refusals.ts";
import { MAX_BODY_BYTES } from "../../protocol/limits.ts";
import { invalidRequest, Problem } from "./problems.ts";

/** The most members an error names: enough to mend a request, and no answer that outgrows it. */
const MAX_FIELD_ERRORS = 16;

/**
 * Reads and checks a JSON body.
 *
 * @param types the media types it may come as
 * @throws Problem `INVALID_REQUEST`: 413, 415, or 400 naming each member at fault
 */
export async function jsonBody<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
  types: readonly string[] = ["application/json"],
): Promise<z.output<Schema>> {
  mediaType(c, types);
  return checked(schema, parsedJson(await bodyText(c)));
}

/** The media type of a request's body. @throws Problem 415 if it is none of `types` */
export function mediaType(c: Context, types: readonly string[]): string {
  const type = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (types.includes(type)) return type;
  const fault = { field: "content-type", detail: `must be ${types.join(" or ")}` };
  throw new Problem("INVALID_REQUEST", { status: 415, errors: [fault] });
}

/** A value as its schema gives it. @throws Problem 400 naming each member at fault */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw invalidRequest(...fieldErrors(result.error.issues));
  return result.data;
}

/** A text as JSON. @throws Problem 400 */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidRequest({ field: "body", detail: "must be JSON" });
  }
}

/** Also stops reading a body of unknown length as soon as it is too large. */
const limited = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw tooLarge();
  },
});

/** Reads a body as UTF-8. @throws Problem 413 if it is too large, 400 if it is no UTF-8 */
export async function bodyText(c: Context): Promise<string> {
  await limited(c, async () => {});
  const bytes = await c.req.arrayBuffer();
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw invalidRequest({ field: "body", detail: "must be UTF-8" });
  }
}

function tooLarge(): Problem {
  const fault = { field: "body", detail: `must have at most ${MAX_BODY_BYTES} bytes` };
  return new Problem("INVALID_REQUEST", { status: 413, errors: [fault] });
}

/** One problem per member. The value at fault is never repeated: it may be a secret in the wrong place. */
function fieldErrors(issues: readonly z.core.$ZodIssue[]): readonly FieldError[] {
  const errors = issues.flatMap(errorsOf);
  const first = errors.filter(({ field }, index) => errors.findIndex((each) => each.field === field) === index);
  return first.slice(0, MAX_FIELD_ERRORS);
}

function errorsOf(issue: z.core.$ZodIssue): FieldError[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ field: fieldName([...path, key]), detail: "is not a known field" }));
  }
  return [{ field: path.length === 0 ? "body" : fieldName(path), detail: issueDetail(issue) }];
}

function issueDetail(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `must be ${article(issue.expected)}`;
  if (issue.code === "too_small") return `must ${measure(issue.origin)} at least ${issue.minimum}`;
  if (issue.code === "too_big") return `must ${measure(issue.origin)} at most ${issue.maximum}`;
  return issue.message;
}

function measure(origin: string): string {
  return origin === "string" ? "have a length of" : "be";
}

function article(type: string): string {
  const name = type === "int" ? "integer" : type;
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`;
}

/** An unknown field's name is the sender's text: cut to a length that suits an error message. */
function fieldName(path: readonly string[]): string {
  return path.join(".").slice(0, 64);
}
