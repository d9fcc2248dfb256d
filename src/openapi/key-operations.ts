import * as z from "zod";
import type { ZodOpenApiPathsObject, ZodOpenApiResponseObject } from "zod-openapi";
import { content, jsonAnswer } from "./contents.ts";
import { EXAMPLE } from "./example-values.ts";
import { ANSWER } from "./examples.ts";
import { cacheableHeaders, headers } from "./headers.ts";
import { problemResponses, readProblems } from "./problem-responses.ts";
import { dueRolloverParameters, historyKey, historyParameters, keysParameters } from "./requests.ts";
import { authorityKeySetResponse, keyHistoryResponse, keySetResponse, rolloverResponse } from "./response-bodies.ts";
import { domainName } from "./values.ts";

const path = z.object({ domain: domainName });
const revalidation = z.object({
  "if-none-match": z
    .string()
    .optional()
    .meta({ description: "The `ETag` of the response that the client has.", example: EXAMPLE.etag }),
});
const unchanged: ZodOpenApiResponseObject = {
  description: "The response is still the one that `If-None-Match` names.",
  headers: headers("etag"),
};

/** The keys of a domain and of this server, for anyone. */
export const keyOperations: ZodOpenApiPathsObject = {
  "/domains/{domain}/keys": {
    get: {
      operationId: "getDomainKeys",
      tags: ["Keys"],
      summary: "A domain's public keys, and which one to encrypt to",
      description:
        "The newest 100 keys, or those that the query selects. Revalidate the response each time: a leave shows at once. Verify `statement`, and encrypt only to the key in it. If `currentKeyVersion` is null, ask for the rollover first: `POST /domains/{domain}/rollover`.",
      security: [],
      requestParams: { path, query: keysParameters, header: revalidation },
      responses: {
        200: jsonAnswer(
          "The key set.",
          keySetResponse,
          { keys: ANSWER.keys, rolloverDue: ANSWER.keysInRollover, newest: ANSWER.newestKeys },
          "etag",
        ),
        304: unchanged,
        ...problemResponses(...readProblems, "NOT_FOUND"),
      },
    },
  },
  "/domains/{domain}/keys/{keyVersion}/history": {
    get: {
      operationId: "getKeyHistory",
      tags: ["Keys"],
      summary: "Older keys of a domain, sealed to one of its keys",
      description:
        "At most 100 credentials of versions below `before`. Their private keys are encrypted to the domain key of version `keyVersion`: its holders may have all older keys, and nobody else can decrypt them. No credential is needed. The `ETag` changes when keys are retired, and once a day.",
      security: [],
      requestParams: { path: path.extend(historyKey.shape), query: historyParameters, header: revalidation },
      responses: {
        200: {
          description: "A page of the history.",
          headers: cacheableHeaders,
          content: { "application/json": content(keyHistoryResponse, { history: ANSWER.history }) },
        },
        304: { ...unchanged, headers: cacheableHeaders },
        ...problemResponses(...readProblems, "NOT_FOUND"),
      },
    },
  },
  "/domains/{domain}/rollover": {
    post: {
      operationId: "carryOutRollover",
      tags: ["Keys"],
      summary: "Carry out a rollover that is due",
      description:
        "Makes the new key if a rollover is due, and does nothing otherwise. No credential is needed, because any registration does the same. A body is ignored.",
      security: [],
      requestParams: { path, query: dueRolloverParameters },
      responses: {
        200: jsonAnswer("No rollover is due any more.", rolloverResponse, {
          rolledOver: ANSWER.rolledOver,
          stated: ANSWER.statedRollover,
        }),
        ...problemResponses(...readProblems),
      },
    },
  },
  "/.well-known/jwks.json": {
    get: {
      operationId: "getAuthorityKeys",
      tags: ["Keys"],
      summary: "The public keys of the domain authority",
      description:
        "Verify domain tokens and other statements of this server with them. Revalidate the response: a new key signs as soon as it is configured.",
      security: [],
      requestParams: { header: revalidation },
      responses: {
        200: jsonAnswer(
          "The key set.",
          authorityKeySetResponse,
          { keys: ANSWER.authorityKeys, rotated: ANSWER.rotatedAuthorityKeys },
          "etag",
        ),
        304: unchanged,
        ...problemResponses("METHOD_NOT_ALLOWED", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"),
      },
    },
  },
};
