import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type JWK, SignJWT } from "jose";
// @ts-expect-error: oidc-provider comes without types
import { Provider } from "oidc-provider";
import { newSigningKey } from "../../../scripts/local-secrets.ts";

/** The client as which the owners' page signs people in. */
export const CLIENT_ID = "devices-page";
const SCOPE = "openid";

/** An OpenID provider where people sign in by any name, and whose access tokens are JWTs for the audience they ask for. */
export class Issuer {
  readonly url: string;
  readonly #port: number;
  readonly #key: JWK;
  readonly #provider: InstanceType<typeof Provider>;
  #http: Server | null = null;

  private constructor(port: number, key: JWK, redirectUri: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#port = port;
    this.#key = key;
    this.#provider = new Provider(this.url, {
      jwks: { keys: [key] },
      clients: [
        {
          client_id: CLIENT_ID,
          token_endpoint_auth_method: "none",
          grant_types: ["authorization_code"],
          response_types: ["code"],
          redirect_uris: [redirectUri],
          id_token_signed_response_alg: "ES256",
        },
      ],
      cookies: { keys: ["a-cookie-key-of-the-test-issuer"] },
      clientBasedCORS: (_: unknown, origin: string) => origin === new URL(redirectUri).origin,
      findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
      ttl: { AccessToken: 600, Session: 600, Grant: 600, Interaction: 600 },
      features: {
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_: unknown, resource: string) => ({
            scope: SCOPE,
            audience: resource,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "ES256" } },
          }),
        },
      },
    });
  }

  /** Starts an issuer that the page at `redirectUri` may use. */
  static async start(port: number, redirectUri: string): Promise<Issuer> {
    const issuer = new Issuer(port, await newSigningKey(), redirectUri);
    await issuer.start();
    return issuer;
  }

  /** Starts it again, with all it knew. */
  async start(): Promise<void> {
    this.#http = createServer(this.#provider.callback());
    this.#http.listen(this.#port, "127.0.0.1");
    await once(this.#http, "listening");
  }

  async stop(): Promise<void> {
    this.#http?.close();
    this.#http?.closeAllConnections();
    this.#http = null;
  }

  /** An access token of a subject, as a device of theirs has it. @param seconds how long it is good, from now */
  token(sub: string, audience: string, seconds = 600): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ sub })
      .setProtectedHeader({ alg: "ES256", kid: this.#key.kid as string })
      .setIssuer(this.url)
      .setAudience(audience)
      .setIssuedAt(now + Math.min(0, seconds))
      .setExpirationTime(now + seconds)
      .sign(this.#key);
  }
}
