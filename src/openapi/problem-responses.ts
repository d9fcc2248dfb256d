import * as z from "zod";
import type { ZodOpenApiResponseObject } from "zod-openapi";
import { ERROR_NUMBERS, type ErrorName } from "../protocol/error-names.ts";
import { PROBLEMS, Problem, type ProblemDetails, problemPath } from "../server/http/problems.ts";
import { fullDomain } from "./admin-responses.ts";
import { EXAMPLE, SERVER_TIME } from "./example-values.ts";
import { EXPLANATIONS } from "./explanations.ts";
import { HEADERS, type HeaderName, headers } from "./headers.ts";
import { compactJws } from "./values.ts";

/** An error, and what it says for example. */
type Fault = Readonly<{ problem: ErrorName; details: ProblemDetails }>;

const fault = (problem: ErrorName, details: ProblemDetails = {}): Fault => ({ problem, details });
const invalid = (status: number, field: string, detail: string, headers = {}) =>
  fault("INVALID_REQUEST", { status, errors: [{ field, detail }], headers });

/** Every problem there is, by what operations call it: `INVALID_REQUEST` comes with several statuses. */
const FAULTS = {
  ...(Object.fromEntries(Object.keys(PROBLEMS).map((name) => [name, fault(name as ErrorName)])) as {
    readonly [Name in ErrorName]: Fault;
  }),
  DEVICE_PROOF_INVALID: fault("DEVICE_PROOF_INVALID", {
    detail: "iat must be within 300 seconds of now",
    members: { serverTime: SERVER_TIME },
  }),
  ADMIN_SCOPE_REQUIRED: fault("ADMIN_SCOPE_REQUIRED", {
    detail: "This needs the scope domains:write.",
    headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="domains:write"' },
  }),
  INVALID_REQUEST: invalid(400, "machineGuid", `must be a UUID such as ${EXAMPLE.machineGuid}`),
  METHOD_NOT_ALLOWED: invalid(405, "method", "must be POST", { allow: "POST" }),
  BODY_TOO_LARGE: invalid(413, "body", "must have at most 65536 bytes"),
  WRONG_MEDIA_TYPE: invalid(415, "content-type", "must be application/json"),
} as const satisfies Record<string, Fault>;

type FaultName = keyof typeof FAULTS;

/** The problems of a request that anyone may send about a domain. */
export const readProblems = [
  "INVALID_REQUEST",
  "DOMAIN_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "RATE_LIMITED",
  "INTERNAL_ERROR",
  "OVERLOADED",
  "TEMPORARILY_UNAVAILABLE",
] as const satisfies readonly FaultName[];

const fieldError = z
  .object({
    field: z.string().meta({ description: "The member, header or part of the address at fault." }),
    detail: z.string().meta({ description: "The rule it breaks." }),
  })
  .meta({ id: "FieldError" });

/** The statuses an error comes with. */
function statuses(name: ErrorName): readonly number[] {
  const all = Object.values(FAULTS).filter(({ problem }) => problem === name);
  return [...new Set(all.map(({ details }) => details.status ?? PROBLEMS[name].status))];
}

type ProblemSchema = z.ZodObject<{ error: z.ZodLiteral<ErrorName> }>;

/** Members that some errors have besides the common ones. */
const FURTHER_MEMBERS: Readonly<Partial<Record<ErrorName, z.ZodRawShape>>> = {
  INVALID_REQUEST: { errors: z.array(fieldError).min(1) },
  DOM_LIMIT_REACHED: fullDomain,
  DEVICE_PROOF_INVALID: {
    serverTime: compactJws.optional().meta({
      description:
        "The server's time, signed by the domain authority. Present if only the `iat` of the request is wrong. `typ: server-time+jwt`. Claims: `iss`; `iat`, the time; `jti`, that of the refused request. A device corrects its clock by this, and by nothing that is not signed.",
    }),
  },
};

/** The schema of each problem, one for each error. */
const SCHEMAS = Object.fromEntries(
  (Object.keys(PROBLEMS) as ErrorName[]).map((name) => {
    const type = PROBLEMS[name];
    const schema = z
      .object({
        type: z.string().regex(new RegExp(`^https?://[^/]+${problemPath(name)}$`)),
        title: z.literal(type.title),
        status: z.literal(statuses(name)),
        detail: z.string().optional().meta({ description: "About this occurrence." }),
        error: z.literal(name),
        ...(name in ERROR_NUMBERS ? { code: z.literal(ERROR_NUMBERS[name] as number) } : {}),
        ...FURTHER_MEMBERS[name],
      })
      .meta({ id: `${componentName(name)}Problem`, description: EXPLANATIONS[name].happened });
    return [name, schema];
  }),
) as unknown as Readonly<Record<ErrorName, ProblemSchema>>;

/** The name of a problem's schema, responses and examples among the components. */
function componentName(name: string): string {
  const words = name.toLowerCase().split("_");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

/** How the server answers each fault: by its own code, with the headers and the body that this makes. */
const ANSWERS = new Map(
  await Promise.all(
    Object.entries(FAULTS).map(async ([name, { problem, details }]) => {
      const response = new Problem(problem, details).response(EXAMPLE.origin, EXAMPLE.requestId);
      const names = [...response.headers.keys()].filter((header): header is HeaderName => header in HEADERS);
      const answer = { problem, status: response.status, headers: names, body: await response.json() };
      return [name as FaultName, answer] as const;
    }),
  ),
);

/** An example of each problem, for the components. */
export const PROBLEM_EXAMPLES = Object.fromEntries(
  [...ANSWERS].map(([name, { problem, body }]) => [
    componentName(name),
    { summary: PROBLEMS[problem].title, value: body },
  ]),
);

const made = new Map<string, ZodOpenApiResponseObject>();

/** The answers of an operation that are problems, by status. */
export function problemResponses(...names: readonly FaultName[]): Record<string, ZodOpenApiResponseObject> {
  const byStatus = Map.groupBy(names, (name) => String(ANSWERS.get(name)?.status));
  return Object.fromEntries(
    [...byStatus].map(([status, faults]) => {
      const id = faults.map(componentName).join("Or");
      const answer = made.get(id) ?? answerOf(id, faults);
      made.set(id, answer);
      return [status, answer];
    }),
  );
}

function answerOf(id: string, names: readonly FaultName[]): ZodOpenApiResponseObject {
  const answers = names.flatMap((name) => ANSWERS.get(name) ?? []);
  // A header that only some of them have cannot be promised of the status.
  const shared = (answers[0]?.headers ?? []).filter((name) => answers.every((each) => each.headers.includes(name)));
  const [schema, ...others] = answers.map(({ problem }) => SCHEMAS[problem]) as [ProblemSchema, ...ProblemSchema[]];
  return {
    id,
    description: answers.map(({ problem }) => `\`${problem}\`: ${PROBLEMS[problem].title}.`).join("\n\n"),
    headers: headers(...shared),
    content: {
      "application/problem+json": {
        schema: others.length === 0 ? schema : z.discriminatedUnion("error", [schema, ...others]),
        examples: Object.fromEntries(
          names.map((name) => [componentName(name), { $ref: `#/components/examples/${componentName(name)}` }]),
        ),
      },
    },
  };
}
