import type { ZodOpenApiPathsObject } from "zod-openapi";
import { jsonAnswer } from "./contents.ts";
import { OWNER_ANSWER } from "./examples.ts";
import { ownDomainResponse, signInResponse } from "./owner-responses.ts";
import { problemResponses } from "./problem-responses.ts";

const refusals = ["METHOD_NOT_ALLOWED", "RATE_LIMITED", "INTERNAL_ERROR"] as const;

/** How owners sign in. */
export const signInOperations: ZodOpenApiPathsObject = {
  "/sign-in": {
    get: {
      operationId: "getSignIn",
      tags: ["Owners"],
      summary: "The issuers at which owners sign in",
      description:
        "What the page at `/devices` signs people in with: the OAuth authorization code flow with PKCE, as a public client. Empty if the server offers no sign-in.",
      security: [],
      responses: {
        200: jsonAnswer("The issuers.", signInResponse, { signIn: OWNER_ANSWER.signIn }),
        ...problemResponses(...refusals),
      },
    },
  },
  "/own-domain": {
    get: {
      operationId: "getOwnDomain",
      tags: ["Owners"],
      summary: "The domain of a token's subject",
      description:
        "For tokens of an issuer whose subjects have domains; 404 `NOT_FOUND` for others. The domain may not exist yet: the first registration makes it.",
      security: [{ ownerToken: [] }],
      responses: {
        200: jsonAnswer("Its name.", ownDomainResponse, { domain: OWNER_ANSWER.ownDomain }),
        ...problemResponses(...refusals, "DOM_AUTHENTICATION_REQUIRED", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE"),
      },
    },
  },
};
