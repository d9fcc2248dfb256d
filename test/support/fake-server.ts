import { CompactEncrypt, exportJWK, generateKeyPair, type JWK } from "jose";
import type { AnyOutcome, Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import type { DeregistrationGrant } from "../../src/domain/deregistration.ts";
import type { RegistrationGrant } from "../../src/domain/registration.ts";
import { currentKeyVersion } from "../../src/domain/rollover.ts";
import type { DeviceProof, DomainState } from "../../src/domain/types.ts";
import { NEWBORN } from "../../src/domain/types.ts";
import { verifyDeviceRequest } from "../../src/server/auth/device-requests.ts";
import { type DomainStatement, signDomainToken } from "../../src/server/crypto/domain-tokens.ts";
import { type DomainKeyPair, generateDomainKeyPair } from "../../src/server/crypto/key-pairs.ts";

/** Where the fake server pretends to be. */
export const FAKE_ORIGIN = "https://domains.example";
export const FAKE_DOMAIN_URL = `${FAKE_ORIGIN}/domains/den`;

/** A device's request as the fake server saw it. */
export type SeenRequest = { action: string; payload: Record<string, unknown>; proof: DeviceProof; headers: Headers };

/** What comes of one request of a device: `pass` has the server carry it out. */
export type Fate = (pass: () => Promise<Response>, init: RequestInit) => Promise<Response>;

/** A registration's answer before it is sealed and sent, for tests to spoil. */
export type Draft = {
  answer: Record<string, unknown>;
  statements: DomainStatement[];
  tokenKey: JWK;
  tokens: string[];
  privateKeys: JWK[];
  sealing: { alg: string; enc: string; cty?: string };
};

/**
 * One domain behind a fake `fetch`: the real rules and the real checks of signatures, nothing kept, and every request
 * of a device to be given a fate of its own.
 */
export class FakeServer {
  readonly seen: SeenRequest[] = [];
  /** How often the authority's keys were asked for. */
  keySetReads = 0;
  /** What becomes of the next requests of devices; those after them pass. */
  readonly fates: Fate[] = [];
  /** What becomes of every read of the authority's keys. */
  keySetFate: Fate = (pass) => pass();
  /** Spoils a registration's answer; tokens are signed after the first call, sealing comes after the second. */
  spoil: { statements?: (draft: Draft) => void; answer?: (draft: Draft) => void | Promise<void> } = {};
  /** The server's clock. */
  now = () => Date.now();
  /** What the server calls itself. */
  issuer = FAKE_ORIGIN;
  state: DomainState = NEWBORN;
  readonly authorityKey: JWK;
  readonly #keyPairs: DomainKeyPair[] = [];

  constructor(authorityKey: JWK) {
    this.authorityKey = authorityKey;
  }

  static async start(): Promise<FakeServer> {
    return new FakeServer(await newAuthorityKey());
  }

  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    init.signal?.throwIfAborted();
    const { pathname } = new URL(String(input));
    const pass = async () => {
      const response = await this.#answer(pathname, init);
      response.headers.set("date", new Date(this.now()).toUTCString());
      return response;
    };
    if (pathname === "/.well-known/jwks.json") {
      this.keySetReads++;
      return this.keySetFate(pass, init);
    }
    return (this.fates.shift() ?? ((go) => go()))(pass, init);
  };

  /** Removes a member as an operator does. */
  evict(machineGuid: string): void {
    const members = new Map(this.state.members);
    members.delete(machineGuid);
    this.state = { ...this.state, members, memberCount: members.size, keyRolloverRequired: true };
  }

  /** Retires keys as an operator does. */
  retireKeys(retiredUpTo: number): void {
    this.state = { ...this.state, retiredUpTo };
  }

  /** Makes the next key. */
  async rollOver(): Promise<void> {
    const keyVersion = this.state.keyVersion + 1;
    this.#keyPairs.push(await generateDomainKeyPair("den", keyVersion));
    this.state = { ...this.state, keyVersion, keyRolloverRequired: false };
  }

  async #answer(pathname: string, init: RequestInit): Promise<Response> {
    if (pathname === "/.well-known/jwks.json") return json({ keys: [publicJwk(this.authorityKey)] });
    if (pathname === "/admin/domains/den/rollover") {
      await this.rollOver();
      return json({});
    }
    if (pathname === "/domains/den/keys") {
      const keys = this.#keyPairs.map((pair) => pair.publicJwk);
      return json({ keys, currentKeyVersion: currentKeyVersion(this.state) });
    }
    if (pathname === "/domains/den") return json({ domain: "den", keyVersion: this.state.keyVersion });
    const result = await verifyDeviceRequest(String(init.body), `${this.issuer}${pathname}`, this.now());
    if ("refusal" in result) return problem(403, result.refusal.error);
    const { payload, proof } = result.request;
    const action = pathname.split("/").at(-1) as string;
    this.seen.push({ action, payload, proof, headers: new Headers(init.headers) });
    return action === "register" ? this.#register(payload, proof) : this.#deregister(payload, proof);
  }

  async #register(payload: Record<string, unknown>, proof: DeviceProof): Promise<Response> {
    const machineGuid = payload.machineGuid as string;
    const afterKeyVersion = payload.afterKeyVersion as number;
    const auth = { kind: "none" } as const;
    const outcome = await this.#decide({
      ...{ type: "register", requestId: crypto.randomUUID(), machineGuid, auth, afterKeyVersion, proof, sealed: true },
    });
    if (!outcome.granted) return problem(403, outcome.refusal.error);
    const { newMember, keyVersion, credentialsAfter } = outcome.grant as RegistrationGrant;
    const pairs = this.#keyPairs.slice(credentialsAfter);
    const draft: Draft = {
      answer: { domain: "den", machineGuid, newMember, keyVersion },
      statements: pairs.map((pair, index) => ({
        issuer: this.issuer,
        domain: "den",
        keyVersion: credentialsAfter + index + 1,
        publicJwk: pair.publicJwk,
        issuedAt: this.now(),
        lifetimeSeconds: 30 * 24 * 60 * 60,
      })),
      tokenKey: this.authorityKey,
      tokens: [],
      privateKeys: pairs.map((pair) => pair.privateJwk),
      sealing: { alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json" },
    };
    this.spoil.statements?.(draft);
    for (const statement of draft.statements) {
      draft.tokens.push((await signDomainToken(statement, draft.tokenKey)).token);
    }
    draft.answer.credentials = draft.tokens.map((token, index) => ({
      keyVersion: credentialsAfter + index + 1,
      token,
      expiresAt: new Date(this.now()).toISOString(),
    }));
    await this.spoil.answer?.(draft);
    draft.answer.sealedKeys ??= await new CompactEncrypt(
      new TextEncoder().encode(JSON.stringify({ keys: draft.privateKeys })),
    )
      .setProtectedHeader(draft.sealing)
      .encrypt(payload.encryptionKey as JWK);
    return json(draft.answer, newMember ? 201 : 200);
  }

  async #deregister(payload: Record<string, unknown>, proof: DeviceProof): Promise<Response> {
    const machineGuid = payload.machineGuid as string;
    const preview = payload.preview === true;
    const auth = { kind: "none" } as const;
    const { idempotencyKey } = proof;
    const outcome = await this.#decide({
      ...{ type: "deregister", requestId: crypto.randomUUID(), machineGuid, auth, preview, proof, idempotencyKey },
    });
    if (!outcome.granted) return problem(403, outcome.refusal.error, { code: 401 });
    const { deregistered } = outcome.grant as DeregistrationGrant;
    return json({ domain: "den", machineGuid, preview, allowed: true, deregistered });
  }

  async #decide(command: Command) {
    const { state, outcomes } = decideBatch(this.state, [command], this.now());
    this.state = state;
    while (this.#keyPairs.length < state.keyVersion) {
      this.#keyPairs.push(await generateDomainKeyPair("den", this.#keyPairs.length + 1));
    }
    return outcomes[0] as AnyOutcome;
  }
}

/** A signing key for domain tokens. */
export async function newAuthorityKey(kid = "authority"): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "ES256" };
}

/** The request never gets there. */
export const unreached: Fate = () => Promise.reject(new TypeError("fetch failed"));

/** The request is carried out, and its answer lost. */
export const lost: Fate = async (pass) => {
  await pass();
  throw new TypeError("fetch failed");
};

/** The request is carried out, and its answer cut. */
export const cut: Fate = async (pass) => {
  const response = await pass();
  return new Response((await response.text()).slice(0, -9), response);
};

/** The server refuses. */
export function refuse(status: number, error: string, headers: Record<string, string> = {}): Fate {
  return async () => problem(status, error, {}, headers);
}

/** Nobody answers until the caller gives up. */
export const hang: Fate = (_pass, { signal }) =>
  new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason));
  });

function problem(status: number, error: string, members = {}, headers = {}): Response {
  return Response.json(
    { title: "Refused", status, error, ...members },
    { status, headers: { "content-type": "application/problem+json", "x-request-id": "request-1", ...headers } },
  );
}

function json(body: unknown, status = 200): Response {
  return Response.json(body, { status });
}

function publicJwk({ d, ...jwk }: JWK): JWK {
  return { ...jwk, use: "sig" };
}
