import { createHash } from "node:crypto";
import { type TestNamespace, testIssuer } from "../support/issuers.ts";
import type { TokenKind } from "./requests.ts";

/** The kinds of tokens that a server takes. */
export type GoodToken = Exclude<TokenKind, "none" | "forged">;

/** Whose token each is: the namespace of its issuer, and its subject. */
export const TOKEN_SUBJECTS: Readonly<Record<GoodToken, Readonly<{ namespace: TestNamespace; sub: string }>>> = {
  studio: { namespace: "studio", sub: "someone" },
  arcade: { namespace: "arcade", sub: "someone" },
  "studio-guest": { namespace: "studio", sub: "guest" },
};

/** The hash by which the server knows the subject of a token. */
export function subjectHashOf(token: GoodToken): string {
  const { namespace, sub } = TOKEN_SUBJECTS[token];
  return createHash("sha256")
    .update(JSON.stringify([testIssuer(namespace), sub]))
    .digest("base64url");
}
