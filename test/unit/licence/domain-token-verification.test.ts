import { calculateJwkThumbprint, type JSONWebKeySet, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain } from "../../../src/client/index.ts";
import { type VerificationOptions, verifyDomainToken } from "../../../src/licence/index.ts";
import {
  type Draft,
  FAKE_DOMAIN_URL,
  FAKE_ORIGIN,
  FakeServer,
  hang,
  newAuthorityKey,
  unreached,
} from "../../support/node/fake-server.ts";

let server: FakeServer;
let token: string;

const verify = (options: Partial<VerificationOptions> = {}) =>
  verifyDomainToken(token, { authority: FAKE_ORIGIN, fetch: server.fetch, ...options });
const keySet = async () => (await (await server.fetch(`${FAKE_ORIGIN}/.well-known/jwks.json`)).json()) as JSONWebKeySet;

beforeEach(async () => {
  server = await FakeServer.start();
  await server.rollOver();
  const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
  await device.join();
  await server.rollOver();
  await device.renew();
  token = device.domainToken as string;
  server.keySetReads = 0;
});

describe("a domain token", () => {
  it("says what the key of a domain is", async () => {
    const claims = await verify();
    expect(claims).toMatchObject({ iss: FAKE_ORIGIN, sub: "den", key_version: 2 });
    const { keys } = (await (await server.fetch(`${FAKE_DOMAIN_URL}/keys`)).json()) as JSONWebKeySet;
    const { x, y } = keys[1] as JWK;
    expect(claims.cnf.jwk).toMatchObject({ kty: "EC", crv: "P-256", x, y });
  });

  it("is checked with keys that are fetched once", async () => {
    await Promise.all([verify(), verify(), verify({ authority: new URL(FAKE_DOMAIN_URL) })]);
    await verify({ domain: "den", minimumKeyVersion: 2 });
    expect(server.keySetReads).toBe(1);
  });

  it("is checked with keys that are given, and then with no other", async () => {
    const authority = await keySet();
    expect((await verify({ authority, issuer: FAKE_ORIGIN })).key_version).toBe(2);
    server.keySetReads = 0;
    const { d, ...other } = await newAuthorityKey("other");
    await expect(verify({ authority: { keys: [other] } as JSONWebKeySet })).rejects.toMatchObject({
      error: "UNKNOWN_AUTHORITY",
    });
    expect(server.keySetReads).toBe(0);
  });

  it.each<[string, string, Partial<VerificationOptions>]>([
    ["OTHER_DOMAIN", "of another domain", { domain: "attic" }],
    ["DOMAIN_TOKEN_OUTDATED", "of too low a version", { minimumKeyVersion: 3 }],
    ["UNKNOWN_AUTHORITY", "of another issuer", { issuer: "https://elsewhere.example" }],
    [
      "UNKNOWN_AUTHORITY",
      "of an authority that is not trusted",
      { authority: { thumbprints: ["x"], url: FAKE_ORIGIN } },
    ],
    ["UNKNOWN_AUTHORITY", "of any authority, where none is trusted", { authority: [] }],
  ])("is %s where it is not %s", async (error, _, options) => {
    await expect(verify(options)).rejects.toMatchObject({ error, retryable: false });
  });

  it("that is past its end is told apart", async () => {
    server.spoil.statements = ({ statements }) => {
      const [statement] = statements as [Draft["statements"][0]];
      // The device takes it, whose clock may be off by more.
      statements[0] = { ...statement, issuedAt: Date.now() - 200_000, lifetimeSeconds: 60 };
    };
    const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
    await device.join();
    token = device.domainToken as string;
    await expect(verify()).rejects.toMatchObject({ error: "DOMAIN_TOKEN_EXPIRED", retryable: false });
  });

  it("is checked by thumbprints of the authority's keys, or by any of several authorities", async () => {
    const thumbprints = [await calculateJwkThumbprint(server.authorityKey)];
    const pinned = { thumbprints, url: FAKE_ORIGIN };
    expect((await verify({ authority: pinned })).key_version).toBe(2);
    const { d, ...other } = await newAuthorityKey("other");
    const partner = { keys: [other] } as JSONWebKeySet;
    expect((await verify({ authority: [partner, pinned] })).key_version).toBe(2);
    // One that cannot be asked is in nobody's way.
    const fetch: typeof globalThis.fetch = (input, init) =>
      String(input).startsWith("https://away.example") ? Promise.reject(new TypeError()) : server.fetch(input, init);
    const authority = ["https://away.example", FAKE_ORIGIN];
    expect((await verify({ authority, issuer: FAKE_ORIGIN, fetch })).key_version).toBe(2);
    await expect(
      verify({ authority: ["https://away.example", partner], issuer: FAKE_ORIGIN, fetch }),
    ).rejects.toMatchObject({
      error: "UNREACHABLE",
    });
    await expect(verify({ authority: { thumbprints } })).rejects.toMatchObject({ error: "INVALID_DOMAIN_URL" });
  });

  it("is of the server that was asked for, unless another name is given for it", async () => {
    server = new FakeServer(server.authorityKey);
    server.issuer = "https://public.example";
    const { issuer } = server;
    const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch, issuer });
    await device.join();
    token = device.domainToken as string;
    await expect(verify()).rejects.toMatchObject({ error: "UNKNOWN_AUTHORITY" });
    expect(await verify({ issuer })).toMatchObject({ iss: issuer });
  });

  it.each([
    ["text", () => "hello"],
    ["changed", (text: string) => `${text.slice(0, -6)}AAAAAA`],
  ])("that is %s does not pass", async (_, spoil) => {
    token = spoil(token);
    const message = "The domain token is malformed, or its signature does not verify";
    await expect(verify()).rejects.toMatchObject({ error: "INVALID_DOMAIN_TOKEN", message });
  });

  it("is told apart from keys that cannot be had", async () => {
    server.keySetFate = unreached;
    await expect(verify()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
  });

  it("is not waited for longer than the signal says", async () => {
    const controller = new AbortController();
    server.keySetFate = (pass, init) => {
      queueMicrotask(() => controller.abort());
      return hang(pass, init);
    };
    await expect(verify({ signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("is checked with no keys that anybody on the way could swap", async () => {
    await expect(verify({ authority: "http://domains.example" })).rejects.toMatchObject({
      error: "INVALID_DOMAIN_URL",
    });
  });
});
