import { CompactEncrypt, exportJWK, generateKeyPair, type JWK } from "jose";
import type { AnyOutcome, Command } from "../../../src/domain/commands.ts";
import { decideBatch } from "../../../src/domain/decide.ts";
import type { DeregistrationGrant } from "../../../src/domain/deregistration.ts";
import type { RegistrationGrant } from "../../../src/domain/registration.ts";
import { currentKeyVersion, type RolloverGrant } from "../../../src/domain/rollover.ts";
import type { DeviceProof, DomainState } from "../../../src/domain/types.ts";
import { NEWBORN } from "../../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../../src/protocol/limits.ts";
import { verifyDeviceRequest } from "../../../src/server/auth/device-requests.ts";
import { type StatedKey, signDomainToken } from "../../../src/server/crypto/domain-tokens.ts";
import { type DomainKeyPair, generateDomainKeyPair } from "../../../src/server/crypto/key-pairs.ts";
import { signStatement } from "../../../src/server/crypto/signed-statements.ts";

/** Where the fake server pretends to be. */
export const FAKE_ORIGIN = "https://domains.example";
export const FAKE_DOMAIN_URL = `${FAKE_ORIGIN}/domains/den`;

/** A device's request as the fake server saw it. */
export type SeenRequest = { action: string; payload: Record<string, unknown>; proof: DeviceProof; headers: Headers };

/** The fate of one request of a device: `pass` has the server carry it out. */
export type Fate = (pass: () => Promise<Response>, init: RequestInit) => Promise<Response>;

/** The statement of a domain token. */
type DomainStatement = StatedKey &
  Readonly<{ issuer: string; domain: string; issuedAt: number; lifetimeSeconds: number }>;

/** Credentials before they are sealed and sent, for tests to spoil. */
type SealedDraft = {
  statements: DomainStatement[];
  tokenKey: JWK;
  tokens: string[];
  privateKeys: JWK[];
  sealing: { alg: string; enc: string; cty?: string; kid?: string };
};

/** A registration's answer before it is sealed and sent, for tests to spoil. */
export type Draft = SealedDraft & { answer: Record<string, unknown> };

/** Each server is a later one than those before it. */
let epochs = 0;

/**
 * One domain behind a fake `fetch`: the real rules and the real checks of signatures, nothing kept, and every request
 * of a device to be given a fate of its own.
 */
export class FakeServer {
  readonly seen: SeenRequest[] = [];
  /** How often the authority's keys were asked for. */
  keySetReads = 0;
  /** The fates of the next requests of devices; those after them pass. */
  readonly fates: Fate[] = [];
  /** The fate of every read of the authority's keys. */
  keySetFate: Fate = (pass) => pass();
  /** Spoils a registration's answer; tokens are signed after the first call, sealing comes after the second. */
  spoil: { statements?: (draft: Draft) => void; answer?: (draft: Draft) => void | Promise<void> } = {};
  /** The server's clock. */
  now = () => Date.now();
  /** The server's name for itself. */
  issuer = FAKE_ORIGIN;
  state: DomainState = NEWBORN;
  /** When the server began to hold the domain. */
  epoch = ++epochs;
  /** Spoils the claims of the key set's statement. */
  spoilStatement: (claims: Record<string, unknown>) => void = () => {};
  /** The keys of the domain authority: the first signs. */
  readonly authorityKeys: [JWK, ...JWK[]];
  #keyPairs: DomainKeyPair[] = [];

  constructor(...authorityKeys: [JWK, ...JWK[]]) {
    this.authorityKeys = authorityKeys;
  }

  get authorityKey(): JWK {
    return this.authorityKeys[0];
  }

  static async start(): Promise<FakeServer> {
    return new FakeServer(await newAuthorityKey());
  }

  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    init.signal?.throwIfAborted();
    const url = new URL(String(input));
    const { pathname } = url;
    const pass = async () => {
      const response = await this.#answer(url, init);
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
    this.#keyPairs.push(await generateDomainKeyPair(keyVersion));
    this.state = { ...this.state, revision: this.state.revision + 1, keyVersion, keyRolloverRequired: false };
  }

  /** Goes back to what it was at a key version, as after a restore: the keys since are lost, and a rollover is due. */
  async restore(keyVersion: number): Promise<void> {
    this.#keyPairs = this.#keyPairs.slice(0, keyVersion);
    this.epoch = ++epochs;
    this.state = { ...this.state, revision: 1, keyVersion, keyRolloverRequired: true };
  }

  async #answer({ pathname, searchParams }: URL, init: RequestInit): Promise<Response> {
    if (pathname === "/.well-known/jwks.json") {
      return json({ keys: this.authorityKeys.map(publicJwk), rotations: await this.#rotations() });
    }
    const history = /^\/domains\/den\/keys\/(\d+)\/history$/.exec(pathname);
    if (history) return this.#history(Number(history[1]), Number(searchParams.get("before")));
    if (pathname === "/domains/den/rollover") {
      const outcome = await this.#decide({ type: "due-rollover", requestId: crypto.randomUUID() });
      if (!outcome.granted) return problem(404, outcome.refusal.error);
      const { keyVersion } = outcome.grant as RolloverGrant;
      return json({ domain: "den", keyVersion, statement: await this.#statement(keyVersion) });
    }
    if (pathname === "/domains/den/keys") return this.#keySet(searchParams.get("kid"));
    if (pathname === "/domains/den") return json({ domain: "den", keyVersion: this.state.keyVersion });
    const result = await verifyDeviceRequest(String(init.body), `${this.issuer}${pathname}`, this.now());
    if ("refusal" in result) {
      const { refusal, untimelyJti: jti } = result;
      if (jti === undefined) return problem(403, refusal.error);
      const about = { issuer: this.issuer, issuedAt: this.now() };
      const serverTime = await signStatement("server-time+jwt", { jti }, about, this.authorityKey);
      return problem(403, refusal.error, { serverTime });
    }
    const { payload, proof } = result.request;
    const action = pathname.split("/").at(-1) as string;
    this.seen.push({ action, payload, proof, headers: new Headers(init.headers) });
    return action === "register" ? this.#register(payload, proof) : this.#deregister(payload, proof);
  }

  async #register(payload: Record<string, unknown>, proof: DeviceProof): Promise<Response> {
    const machineGuid = payload.machineGuid as string;
    const afterKeyVersion = (payload.afterKeyVersion ?? 0) as number;
    const maxCredentials = payload.credentials === "newest" ? 1 : MAX_CREDENTIALS;
    const auth = { kind: "none" } as const;
    const outcome = await this.#decide({
      type: "register",
      requestId: crypto.randomUUID(),
      ...{ machineGuid, auth, afterKeyVersion, maxCredentials, proof, sealed: true },
    });
    if (!outcome.granted) return problem(403, outcome.refusal.error);
    const { newMember, keyVersion, credentialsAfter, olderKeyVersions } = outcome.grant as RegistrationGrant;
    const draft: Draft = {
      answer: { domain: "den", machineGuid, newMember, keyVersion, olderKeyVersions },
      ...this.#sealedDraft(credentialsAfter, keyVersion),
    };
    await this.#seal(draft, payload.encryptionKey as JWK);
    return json(draft.answer, newMember ? 201 : 200);
  }

  /** A page of the history. */
  async #history(keyVersion: number, before: number): Promise<Response> {
    const opener = this.#keyPairs[keyVersion - 1];
    if (!opener) return problem(404, "NOT_FOUND");
    const after = Math.max(this.state.retiredUpTo, before - 1 - MAX_CREDENTIALS);
    const draft: Draft = { answer: { domain: "den", keyVersion }, ...this.#sealedDraft(after, before - 1) };
    draft.sealing.kid = opener.publicJwk.kid as string;
    await this.#seal(draft, opener.publicJwk);
    return json(draft.answer);
  }

  async #keySet(kid: string | null): Promise<Response> {
    const keys = this.#keyPairs.map((pair) => pair.publicJwk);
    const listed = kid === null ? keys.slice(-MAX_CREDENTIALS) : keys.filter((key) => key.kid === kid);
    if (kid !== null && listed.length === 0) return problem(404, "NOT_FOUND");
    const current = currentKeyVersion(this.state, this.now());
    return json({ keys: listed, currentKeyVersion: current, statement: await this.#statement(current) });
  }

  #statement(current: number | null): Promise<string> {
    const claims: Record<string, unknown> = {
      ...{ revision: this.state.revision, epoch: this.epoch, key_version: current },
      ...(current === null ? {} : { cnf: { jwk: this.#keyPairs[current - 1]?.publicJwk } }),
    };
    this.spoilStatement(claims);
    const about = { issuer: this.issuer, domain: "den", issuedAt: this.now(), lifetimeSeconds: 300 };
    return signStatement("domain-key-statement+jwt", claims, about, this.authorityKey);
  }

  /** The statements of the former keys on the present one. */
  #rotations(): Promise<string[]> {
    const [present, ...former] = this.authorityKeys;
    const about = { issuer: this.issuer, issuedAt: this.now(), lifetimeSeconds: 86_400 };
    const claims = { cnf: { jwk: publicJwk(present) } };
    return Promise.all(former.map((key) => signStatement("authority-rotation+jwt", claims, about, key)));
  }

  /** The credentials above a version, up to another. */
  #sealedDraft(after: number, upTo: number): SealedDraft {
    const pairs = this.#keyPairs.slice(after, upTo);
    return {
      statements: pairs.map((pair, index) => ({
        issuer: this.issuer,
        domain: "den",
        keyVersion: after + index + 1,
        publicJwk: pair.publicJwk,
        issuedAt: this.now(),
        lifetimeSeconds: 30 * 24 * 60 * 60,
      })),
      tokenKey: this.authorityKey,
      tokens: [],
      privateKeys: pairs.map((pair) => pair.privateJwk),
      sealing: { alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json" },
    };
  }

  /** Signs and seals, with the test's faults. */
  async #seal(draft: Draft, sealTo: JWK): Promise<void> {
    this.spoil.statements?.(draft);
    for (const statement of draft.statements) {
      draft.tokens.push((await signDomainToken(statement, statement, draft.tokenKey)).token);
    }
    const [first] = draft.privateKeys as { key_version?: number }[];
    draft.answer.credentials = draft.tokens.map((token, index) => ({
      keyVersion: (first?.key_version ?? 1) + index,
      token,
      expiresAt: new Date(this.now()).toISOString(),
    }));
    await this.spoil.answer?.(draft);
    draft.answer.sealedKeys ??= await new CompactEncrypt(
      new TextEncoder().encode(JSON.stringify({ keys: draft.privateKeys })),
    )
      .setProtectedHeader(draft.sealing)
      .encrypt(sealTo);
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
      this.#keyPairs.push(await generateDomainKeyPair(this.#keyPairs.length + 1));
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
