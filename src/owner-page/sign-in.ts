import * as oauth from "oauth4webapi";
import { RefusedHere } from "../console/failures.ts";
import type { SignInIssuer } from "./owner-server.ts";
import { type BegunSignIn, type Session, saveBegunSignIn, takeBegunSignIn } from "./owner-session.ts";

/** How long an issuer may take over one response. */
const TRY_MILLISECONDS = 20_000;

/**
 * Sends the browser to the issuer, to come back with a code.
 *
 * @see RFC 7636, Proof Key for Code Exchange; RFC 9700, Best Current Practice for OAuth 2.0 Security, section 2.1.1
 */
export async function beginSignIn({ issuer, clientId, scope, audience }: SignInIssuer, domain: string | null) {
  const { authorization_endpoint: endpoint = "" } = await told(issuer, () => discovered(issuer));
  if (!URL.canParse(endpoint)) throw new RefusedHere(`${hostOf(issuer)} offers no sign-in`, "Tell your service.");
  const state = oauth.generateRandomState();
  const verifier = oauth.generateRandomCodeVerifier();
  saveBegunSignIn({ issuer, clientId, audience, state, verifier, domain });
  const url = new URL(endpoint);
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri(),
    scope,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    // Some issuers know the audience by this name alone.
    audience,
    ...resource(audience),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

/** The response of an issuer in the page's address, and the sign-in that it belongs to, if one was begun here. */
export type Arrival = Readonly<{ answer: URLSearchParams; begun: BegunSignIn | null }>;

/**
 * The answer of an issuer, taken out of the address, so that neither the history nor a reload has it; null if there is none.
 */
export function takeArrival(): Arrival | null {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("state") || !(answer.has("code") || answer.has("error"))) return null;
  const begun = takeBegunSignIn();
  const place = begun?.domain ? `?${new URLSearchParams({ domain: begun.domain })}` : "";
  history.replaceState(null, "", location.pathname + place);
  return { answer, begun };
}

/** Changes the issuer's code for an access token. @throws RefusedHere */
export async function completeSignIn({ answer, begun }: Arrival): Promise<Session> {
  if (!begun) {
    throw new RefusedHere("This sign-in was not begun here", "Sign in again, and stay in this tab meanwhile.");
  }
  const { issuer, clientId, audience, state, verifier } = begun;
  return told(issuer, async () => {
    const server = await discovered(issuer);
    const client = { client_id: clientId };
    const code = oauth.validateAuthResponse(server, client, answer, state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      code,
      redirectUri(),
      verifier,
      { ...requestOptions(issuer), additionalParameters: resource(audience) },
    );
    const { access_token: token, expires_in: seconds } = await oauth.processAuthorizationCodeResponse(
      server,
      client,
      response,
    );
    return { token, endsAt: seconds === undefined ? null : Date.now() + seconds * 1000 };
  });
}

/** The name of an issuer for people. */
export function hostOf(issuer: string): string {
  return new URL(issuer).host;
}

/** The issuer's configuration. @see OpenID Connect Discovery 1.0, section 4 */
async function discovered(issuer: string): Promise<oauth.AuthorizationServer> {
  const identifier = new URL(issuer);
  return oauth.processDiscoveryResponse(identifier, await oauth.discoveryRequest(identifier, requestOptions(issuer)));
}

function requestOptions(issuer: string) {
  // The server takes an issuer without TLS on a loopback address alone.
  return {
    [oauth.allowInsecureRequests]: issuer.startsWith("http:"),
    signal: () => AbortSignal.timeout(TRY_MILLISECONDS),
  };
}

function redirectUri(): string {
  return location.origin + location.pathname;
}

/** @see RFC 8707, Resource Indicators for OAuth 2.0, section 2 */
function resource(audience: string): Readonly<Record<string, string>> {
  return URL.canParse(audience) ? { resource: audience } : {};
}

/** Does something with an issuer, and says in plain words why that failed. @throws RefusedHere */
async function told<Result>(issuer: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    const host = hostOf(issuer);
    if (thrown instanceof oauth.AuthorizationResponseError && thrown.error === "access_denied") {
      throw new RefusedHere("You are not signed in", `The sign-in at ${host} was cancelled, or is not allowed to you.`);
    }
    if (thrown instanceof oauth.AuthorizationResponseError || thrown instanceof oauth.ResponseBodyError) {
      throw new RefusedHere(`${host} did not sign you in`, thrown.error_description ?? thrown.error);
    }
    if (thrown instanceof TypeError || thrown instanceof DOMException) {
      throw new RefusedHere(`${host} cannot be reached`, "Try again in a while.");
    }
    throw new RefusedHere(`The sign-in at ${host} failed`, (thrown as Error).message);
  }
}
