import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** The namespaces of the issuers that test servers trust. */
const TEST_NAMESPACES = ["studio", "arcade", "office"] as const;
export type TestNamespace = (typeof TEST_NAMESPACES)[number];

/** The `aud` that test servers expect. */
export const TEST_AUDIENCE = "https://domains.example";

/** The scopes that the tokens of a namespace's issuer may have, where there are any. */
const OPERATOR_SCOPES: { readonly [Namespace in TestNamespace]?: readonly string[] } = {
  office: ["domains:read", "domains:write", "domains:evict", "metrics:read"],
};

/** The `iss` of a namespace's test issuer. */
export function testIssuer(namespace: string): string {
  return `https://${namespace}.example`;
}

/** Issuers: what a server is told of them, and the private key of each to mint with. */
export type TestIssuers = Readonly<{ trusted: readonly object[]; keys: Readonly<Record<TestNamespace, JWK>> }>;

/** New issuers, one for each namespace: what a server is told of them, and the private keys to mint with. */
export async function newTestIssuers(): Promise<TestIssuers> {
  const keys = {} as Record<TestNamespace, JWK>;
  const trusted = [];
  for (const namespace of TEST_NAMESPACES) {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), kid: `${namespace}-1`, alg: "ES256" };
    const { d, ...publicJwk } = jwk;
    keys[namespace] = jwk;
    trusted.push({
      namespace,
      issuer: testIssuer(namespace),
      audience: TEST_AUDIENCE,
      jwks: { keys: [publicJwk] },
      operatorScopes: OPERATOR_SCOPES[namespace] ?? [],
    });
  }
  return { trusted, keys };
}

/** The difference of a minted token from a good one. */
export type TokenTwist = {
  issuer?: string;
  audience?: string;
  /** Seconds from now. */
  expires?: number | null;
  notBefore?: number;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
};

/** An auth token of a namespace's test issuer, good unless twisted. */
export function mintToken(namespace: TestNamespace, key: JWK, twist: TokenTwist = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const { expires = 300, notBefore } = twist;
  const token = new SignJWT({ sub: "someone", ...twist.claims })
    .setProtectedHeader({ alg: "ES256", kid: key.kid as string, ...twist.header })
    .setIssuer(twist.issuer ?? testIssuer(namespace))
    .setAudience(twist.audience ?? TEST_AUDIENCE)
    .setIssuedAt(now);
  if (expires !== null) token.setExpirationTime(now + expires);
  if (notBefore !== undefined) token.setNotBefore(now + notBefore);
  return token.sign(key);
}
