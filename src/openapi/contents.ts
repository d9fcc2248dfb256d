import type * as z from "zod";
import type { ZodOpenApiMediaTypeObject, ZodOpenApiRequestBodyObject, ZodOpenApiResponseObject } from "zod-openapi";
import { type HeaderName, headers } from "./headers.ts";

/** Examples by name. */
export type Examples = Readonly<Record<string, unknown>>;

/** A body's schema with its examples. */
export function content(schema: z.ZodType, examples: Examples): ZodOpenApiMediaTypeObject {
  return {
    schema,
    examples: Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }])),
  };
}

/** An answer in JSON, with the headers that all answers have, and these. */
export function jsonAnswer(
  description: string,
  schema: z.ZodType,
  examples: Examples,
  ...more: readonly HeaderName[]
): ZodOpenApiResponseObject {
  return { description, headers: headers(...more), content: { "application/json": content(schema, examples) } };
}

/** A request's body in JSON. */
export function jsonRequest(
  schema: z.ZodType,
  examples: Examples,
  types: readonly string[] = ["application/json"],
): ZodOpenApiRequestBodyObject {
  return { required: true, content: Object.fromEntries(types.map((type) => [type, content(schema, examples)])) };
}
