import type * as z from "zod";
import type * as ofOperators from "./admin-responses.ts";
import type * as ofOwners from "./owner-responses.ts";
import type * as ofAnybody from "./response-bodies.ts";
import type * as serverWide from "./server-wide-operations.ts";

type Schemas = typeof ofAnybody & typeof ofOwners & typeof ofOperators & typeof serverWide;

type DeepReadonly<T> = T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T;

/** The body of an answer, by the name of its schema. Handlers are held to it by `satisfies`; the Worker carries no schema. */
export type ResponseBody<Name extends keyof Schemas> = Schemas[Name] extends z.ZodType
  ? DeepReadonly<z.output<Schemas[Name]>>
  : never;
