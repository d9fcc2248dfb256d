import { createDocument } from "zod-openapi";
import { SCOPES } from "../server/auth/scopes.ts";
import { adminOperations } from "./admin-operations.ts";
import { deviceOperations } from "./device-operations.ts";
import { keyOperations } from "./key-operations.ts";
import { ownerOperations } from "./owner-operations.ts";
import { PROBLEM_EXAMPLES } from "./problem-responses.ts";
import { readOperations } from "./read-operations.ts";
import { signedDeregistration, signedRegistration } from "./requests.ts";
import { serverWideOperations } from "./server-wide-operations.ts";
import { signInOperations } from "./sign-in-operations.ts";

const DESCRIPTION = `
A licence that belongs to a group of devices: they join a *domain* by a random machine GUID, and receive its private
keys. When a device leaves, the keys roll over.

Bodies are JSON of at most 64 KB; members that are not described here are refused. Responses may gain members. Times
are ISO 8601 in UTC. Every error is a problem document (RFC 9457): branch on its \`error\`. The \`code\` of some is the
number of the classic domain protocol.
`.trim();

const reach = (scopes: string) => `Reaches as far as its scopes: ${scopes}.`;

const SECURITY_SCHEMES = {
  authToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A token of a trusted issuer, for domains that require authentication.",
  },
  ownerToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description:
      "A token of the domain's owner: of its `authNamespace`, with `ownerSubject` as its `sub`. Not one that is bound to a key (`cnf`).",
  },
  deviceSignature: {
    type: "http",
    scheme: "Device-Request",
    description:
      "No header: the body itself is signed with a key of the device's own, and sent as `application/jose`. The first signed registration binds the key to the membership.",
  },
  adminToken: {
    type: "http",
    scheme: "bearer",
    description: `The server's admin token. It has every scope: ${SCOPES.join(", ")}.`,
  },
  operatorToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: `A token of a trusted issuer that operators come from. ${reach(`the claim \`scope\` names them, out of ${SCOPES.join(", ")}`)}`,
  },
  accessAssertion: {
    type: "apiKey",
    in: "header",
    name: "Cf-Access-Jwt-Assertion",
    description: `What Cloudflare Access adds to a request it lets through. It has every scope: ${SCOPES.join(", ")}.`,
  },
} as const;

/** The API's description. Made where the Worker is built, never in the Worker. @see OpenAPI Specification v3.1.1 */
export function openApiDocument(version: string): ReturnType<typeof createDocument> {
  return createDocument(
    {
      openapi: "3.1.1",
      info: {
        title: "Device-domain server",
        version,
        description: DESCRIPTION,
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: "/", description: "The server that this description comes from." }],
      tags: [
        { name: "Devices", description: "What devices ask for: to join or renew, and to leave." },
        { name: "Reads", description: "What anyone may read. None of it creates a domain." },
        { name: "Owners", description: "For the owner of a domain, who shows a token: its devices." },
        { name: "Keys", description: "Keys of a domain and of this server, for anyone. None of it creates a domain." },
        { name: "Domains", description: "For operators: domains, their settings and their keys." },
        { name: "Members", description: "For operators: who is in a domain, and who is kept out." },
        { name: "Log", description: "For operators: what happened in a domain." },
        { name: "Service", description: "For operators: what concerns all domains." },
      ],
      paths: {
        ...deviceOperations,
        ...ownerOperations,
        ...signInOperations,
        ...readOperations,
        ...keyOperations,
        ...adminOperations,
        ...serverWideOperations,
      },
      components: {
        schemas: { SignedRegistration: signedRegistration, SignedDeregistration: signedDeregistration },
        examples: PROBLEM_EXAMPLES,
        securitySchemes: SECURITY_SCHEMES,
      },
    },
    {
      override: ({ jsonSchema, io }) => {
        // Responses may gain members that their readers do not know yet.
        if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      },
    },
  );
}
