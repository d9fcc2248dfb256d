import * as z from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { content, jsonAnswer } from "./contents.ts";
import { EXAMPLE, signedRequest } from "./example-values.ts";
import { ANSWER, REQUEST } from "./examples.ts";
import { problemResponses } from "./problem-responses.ts";
import { deregistration, registration } from "./requests.ts";
import { deregistrationResponse, registrationResponse } from "./response-bodies.ts";
import { compactJws, domainName } from "./values.ts";

const path = z.object({ domain: domainName });

/** A token, a signature, both or neither: which it takes is the domain's to say. */
const security = [{}, { authToken: [] }, { deviceSignature: [] }, { authToken: [], deviceSignature: [] }];

const refusals = [
  "INVALID_REQUEST",
  "DOM_AUTHENTICATION_REQUIRED",
  "DEVICE_KEY_REQUIRED",
  "DEVICE_PROOF_INVALID",
  "METHOD_NOT_ALLOWED",
  "BODY_TOO_LARGE",
  "WRONG_MEDIA_TYPE",
  "INTERNAL_ERROR",
  "OVERLOADED",
  "TEMPORARILY_UNAVAILABLE",
] as const;

/** Operations of devices: to join or renew, and to leave. */
export const deviceOperations: ZodOpenApiPathsObject = {
  "/domains/{domain}/register": {
    post: {
      operationId: "register",
      tags: ["Devices"],
      summary: "Join a domain, or renew",
      description:
        "Makes the device a member. The response has the newest 100 credentials above `afterKeyVersion`, or only the newest. The history has the older ones. A domain that does not exist is created, unless only operators may create domains. A member renews by the same request. If a rollover is due, the request makes the new key.",
      security,
      requestParams: { path },
      requestBody: body(registration, "SignedRegistration", `/domains/${EXAMPLE.domain}/register`, {
        join: REQUEST.join,
        named: REQUEST.namedJoin,
        sealed: REQUEST.sealedJoin,
        renewal: REQUEST.renewal,
        newest: REQUEST.newestJoin,
      }),
      responses: {
        200: jsonAnswer("The device was a member already, and is served again.", registrationResponse, {
          renewed: ANSWER.renewed,
        }),
        201: jsonAnswer("The device is a member now.", registrationResponse, {
          joined: ANSWER.joined,
          sealed: ANSWER.sealed,
          newest: ANSWER.newest,
        }),
        ...problemResponses(...refusals, "DOMAIN_NOT_FOUND", "DOM_LIMIT_REACHED", "DEVICE_BANNED", "RATE_LIMITED"),
      },
    },
  },
  "/domains/{domain}/deregister": {
    post: {
      operationId: "deregister",
      tags: ["Devices"],
      summary: "Leave a domain, or preview it",
      description:
        "Ends the membership. A rollover follows: at once, or `rolloverIntervalSeconds` after the last one. A preview says what would happen, and changes nothing. A leave with an `Idempotency-Key`, or a signed one, may be repeated and gets the same response.",
      security,
      requestParams: {
        path,
        header: z.object({
          "idempotency-key": z
            .string()
            .regex(/^[\x21-\x7e]{1,128}$/)
            .optional()
            .meta({
              description:
                "Names this leave, so that it may be repeated: new for each. A signed request's is its `jti`; a header must equal it.",
              example: "b5d1f7c0-2c8e-4e53-9a51-6a0f3f1f7f42",
            }),
        }),
      },
      requestBody: body(deregistration, "SignedDeregistration", `/domains/${EXAMPLE.domain}/deregister`, {
        leave: REQUEST.leave,
        preview: REQUEST.preview,
      }),
      responses: {
        200: jsonAnswer("The device has left, or, for a preview, may.", deregistrationResponse, {
          left: ANSWER.left,
          previewed: ANSWER.previewed,
        }),
        ...problemResponses(...refusals, "DEREG_DENIED", "IDEMPOTENCY_KEY_REUSED", "RATE_LIMITED"),
      },
    },
  },
};

/** A body that may be signed or not. */
function body(schema: z.ZodType, payload: string, at: string, examples: Readonly<Record<string, object>>) {
  const signed = compactJws.meta({
    description:
      "A JWS over the same members plus `aud`, `iat` and `jti`. Its protected header has `typ: device-request+jwt`, `alg` ES256 or Ed25519 (or EdDSA, its older name), and the device's public key as `jwk`.",
    contentMediaType: "application/json",
    contentSchema: { $ref: `#/components/schemas/${payload}` },
  });
  const signedExamples = Object.entries(examples).map(([name, members]) => [name, signedRequest(at, members)]);
  return {
    required: true,
    content: {
      "application/json": content(schema, examples),
      "application/jose": content(signed, Object.fromEntries(signedExamples)),
    },
  };
}
