import * as z from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { jsonAnswer } from "./contents.ts";
import { ANSWER } from "./examples.ts";
import { problemResponses, readProblems } from "./problem-responses.ts";
import { domainResponse, healthResponse } from "./response-bodies.ts";
import { domainName } from "./values.ts";

const path = z.object({ domain: domainName });
const failing = jsonAnswer("A part of the server is failing.", healthResponse, { failing: ANSWER.failing });
/** The response of a server that was not told its own address. */
const { 503: withoutAddress } = problemResponses("TEMPORARILY_UNAVAILABLE");

/** Reads that are open to anyone. */
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
        200: jsonAnswer("The domain.", domainResponse, { domain: ANSWER.domain }),
        ...problemResponses(...readProblems),
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
        200: jsonAnswer("The server is healthy.", healthResponse, { well: ANSWER.well }),
        ...problemResponses("METHOD_NOT_ALLOWED", "INTERNAL_ERROR"),
        503: { ...failing, content: { ...failing.content, ...withoutAddress?.content } },
      },
    },
  },
};
