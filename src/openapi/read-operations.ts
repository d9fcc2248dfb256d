import * as z from "zod";
import type { ZodOpenApiPathsObject, ZodOpenApiResponseObject } from "zod-openapi";
import { authorityKeySetAnswer, domainAnswer, healthAnswer, keySetAnswer } from "./answers.ts";
import { jsonAnswer } from "./contents.ts";
import { ANSWER, EXAMPLE } from "./examples.ts";
import { headers } from "./headers.ts";
import { problemAnswers } from "./problem-answers.ts";
import { domainName } from "./values.ts";

const path = z.object({ domain: domainName });
const revalidation = z.object({
  "if-none-match": z
    .string()
    .optional()
    .meta({ description: "The `ETag` of the key set that is known already.", example: EXAMPLE.etag }),
});
const unchanged: ZodOpenApiResponseObject = {
  description: "The key set is still the one that `If-None-Match` names.",
  headers: headers("etag"),
};
const readProblems = [
  "INVALID_REQUEST",
  "DOMAIN_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "RATE_LIMITED",
  "INTERNAL_ERROR",
  "OVERLOADED",
  "TEMPORARILY_UNAVAILABLE",
] as const;

/** What anyone may read. */
export const readOperations: ZodOpenApiPathsObject = {
  "/domains/{domain}": {
    get: {
      operationId: "getDomain",
      tags: ["Reads"],
      summary: "What a device must know before it joins",
      description: "Never creates a domain.",
      security: [],
      requestParams: { path },
      responses: {
        200: jsonAnswer("The domain.", domainAnswer, { domain: ANSWER.domain }),
        ...problemAnswers(...readProblems),
      },
    },
  },
  "/domains/{domain}/keys": {
    get: {
      operationId: "getDomainKeys",
      tags: ["Reads"],
      summary: "A domain's public keys, and which to encrypt to",
      description:
        "Revalidate it each time: a leave shows at once. While `currentKeyVersion` is null, do not encrypt: a device that left still holds the newest key.",
      security: [],
      requestParams: { path, header: revalidation },
      responses: {
        200: jsonAnswer(
          "The key set.",
          keySetAnswer,
          { keys: ANSWER.keys, rolloverDue: ANSWER.keysInRollover },
          "etag",
        ),
        304: unchanged,
        ...problemAnswers(...readProblems),
      },
    },
  },
  "/.well-known/jwks.json": {
    get: {
      operationId: "getAuthorityKeys",
      tags: ["Reads"],
      summary: "The public keys that domain tokens are signed with",
      description: "Revalidate it: a new key signs from the moment it is there.",
      security: [],
      requestParams: { header: revalidation },
      responses: {
        200: jsonAnswer("The key set.", authorityKeySetAnswer, { keys: ANSWER.authorityKeys }, "etag"),
        304: unchanged,
        ...problemAnswers("METHOD_NOT_ALLOWED", "INTERNAL_ERROR"),
      },
    },
  },
  "/health": {
    get: {
      operationId: "getHealth",
      tags: ["Reads"],
      summary: "Whether the server, its database and its secrets work",
      security: [],
      responses: {
        200: jsonAnswer("They do.", healthAnswer, { well: ANSWER.well }),
        503: jsonAnswer("Something does not.", healthAnswer, { failing: ANSWER.failing }),
        ...problemAnswers("METHOD_NOT_ALLOWED", "INTERNAL_ERROR"),
      },
    },
  },
};
