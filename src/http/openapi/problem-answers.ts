import * as z from "zod";
import type { ZodOpenApiResponseObject } from "zod-openapi";
import { PROBLEMS, Problem, type ProblemDetails, type ProblemName, problemPath } from "../problems.ts";
import { fullDomain } from "./admin-answers.ts";
import { content } from "./contents.ts";
import { EXAMPLE } from "./examples.ts";
import { EXPLANATIONS } from "./explanations.ts";
import { HEADERS, type HeaderName, headers } from "./headers.ts";

/** An answer that is a problem, as an operation may give it: an error, and what it says there. */
export type Fault = Readonly<{ problem: ProblemName; details: ProblemDetails }>;

const fault = (problem: ProblemName, details: ProblemDetails = {}): Fault => ({ problem, details });
const invalid = (status: number, field: string, detail: string, headers = {}) =>
  fault("INVALID_REQUEST", { status, errors: [{ field, detail }], headers });

/** Every problem there is, by what operations call it: `INVALID_REQUEST` comes with several statuses. */
export const FAULTS = {
  ...(Object.fromEntries(Object.keys(PROBLEMS).map((name) => [name, fault(name as ProblemName)])) as {
    readonly [Name in ProblemName]: Fault;
  }),
  DEVICE_PROOF_INVALID: fault("DEVICE_PROOF_INVALID", { detail: "iat must be within 300 seconds of now" }),
  ADMIN_SCOPE_REQUIRED: fault("ADMIN_SCOPE_REQUIRED", {
    detail: "This needs the scope domains:write.",
    headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="domains:write"' },
  }),
  INVALID_REQUEST: invalid(400, "machineGuid", `must be a UUID such as ${EXAMPLE.machineGuid}`),
  METHOD_NOT_ALLOWED: invalid(405, "method", "must be POST", { allow: "POST" }),
  BODY_TOO_LARGE: invalid(413, "body", "must have at most 65536 bytes"),
  WRONG_MEDIA_TYPE: invalid(415, "content-type", "must be application/json"),
} as const satisfies Record<string, Fault>;

const fieldError = z
  .object({
    field: z.string().meta({ description: "The member, header or part of the address at fault." }),
    detail: z.string().meta({ description: "The rule it breaks." }),
  })
  .meta({ id: "FieldError" });

/** The statuses an error comes with. */
function statuses(name: ProblemName): readonly number[] {
  const all = Object.values(FAULTS).filter(({ problem }) => problem === name);
  return [...new Set(all.map(({ details }) => details.status ?? PROBLEMS[name].status))];
}

/** What an error says besides what all do. */
const FURTHER_MEMBERS: Readonly<Partial<Record<ProblemName, z.ZodRawShape>>> = {
  INVALID_REQUEST: { errors: z.array(fieldError).min(1) },
  DOM_LIMIT_REACHED: fullDomain,
};

/** The schema of each problem, one for each error. */
const SCHEMAS = Object.fromEntries(
  (Object.keys(PROBLEMS) as ProblemName[]).map((name) => {
    const type = PROBLEMS[name];
    const schema = z
      .object({
        type: z.string().regex(new RegExp(`^https?://[^/]+${problemPath(name)}$`)),
        title: z.literal(type.title),
        status: z.literal(statuses(name)),
        detail: z.string().optional().meta({ description: "About this occurrence." }),
        error: z.literal(name),
        ...("code" in type ? { code: z.literal(type.code) } : {}),
        ...FURTHER_MEMBERS[name],
      })
      .meta({ id: schemaName(name), description: EXPLANATIONS[name].happened });
    return [name, schema];
  }),
) as unknown as { readonly [Name in ProblemName]: z.ZodObject<{ error: z.ZodLiteral<Name> }> };

/**
 * The answers of an operation that are problems, by status: each with the headers and the example that the server's
 * own code makes of it.
 */
export async function problemAnswers(
  ...names: readonly (keyof typeof FAULTS)[]
): Promise<Record<string, ZodOpenApiResponseObject>> {
  const made = await Promise.all(names.map((name) => example(FAULTS[name])));
  const byStatus = Map.groupBy(made, ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, faults]) => [String(status), answer(faults as [Example, ...Example[]])]),
  );
}

type Example = Awaited<ReturnType<typeof example>>;

async function example({ problem, details }: Fault) {
  const response = new Problem(problem, details).response(EXAMPLE.origin, EXAMPLE.requestId);
  const names = [...response.headers.keys()].filter((name): name is HeaderName => name in HEADERS);
  return { problem, status: response.status, names, value: await response.json() };
}

function answer(faults: readonly [Example, ...Example[]]): ZodOpenApiResponseObject {
  const [first, ...others] = faults;
  // A header that only some of them have cannot be promised of the status.
  const shared = first.names.filter((name) => others.every(({ names }) => names.includes(name)));
  const schema = SCHEMAS[first.problem];
  return {
    description: faults.map(({ problem }) => `\`${problem}\`: ${PROBLEMS[problem].title}.`).join("\n\n"),
    headers: headers(...shared),
    content: {
      "application/problem+json": content(
        others.length === 0
          ? schema
          : z.discriminatedUnion("error", [schema, ...others.map(({ problem }) => SCHEMAS[problem])]),
        Object.fromEntries(faults.map(({ problem, value }) => [problem, value])),
      ),
    },
  };
}

function schemaName(name: ProblemName): string {
  const words = name.toLowerCase().split("_");
  return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")}Problem`;
}
