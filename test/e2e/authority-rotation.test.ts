import { calculateJwkThumbprint, decodeProtectedHeader, type JWK, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { MemoryStore } from "../../src/client/memory-store.ts";
import { encryptToDomain } from "../../src/licence/domain-encryption.ts";
import { verifyDomainToken } from "../../src/licence/domain-token-verification.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

const ISSUER = "https://domains.example";
const DAY = 24 * 60 * 60 * 1000;

let server: EmbeddedServer;
let [old, fresh]: JWK[] = [];
beforeEach(async () => {
  [old, fresh] = [await newSigningKey(), await newSigningKey()];
  server = await startEmbeddedServer({ vars: authority(old) });
});
afterEach(async () => {
  vi.useRealTimers();
  await server?.stop();
});

const authority = (...keys: readonly (JWK | undefined)[]) => ({ DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys }) });

/** As often as it takes a server to come back, on however slow a machine. */
const PATIENT = { retries: 10_000, pause: () => new Promise<void>((resolve) => setTimeout(resolve, 20)) };

/** The device that a store holds, as a program that was just started has it. */
const open = (store: MemoryStore) =>
  DeviceDomain.open(`${server.url}/domains/home`, { store, issuer: ISSUER, ...PATIENT });

/** A device that has joined. */
async function newMember(store = new MemoryStore()): Promise<DeviceDomain> {
  const device = await open(store);
  await device.join();
  return device;
}

const verify = (token: string | null) =>
  verifyDomainToken(token as string, {
    authority: server.url,
    issuer: ISSUER,
    // Licence servers that never asked before.
    fetch: (input, init) => fetch(input, init),
  });

const signerOf = (token: string | null) => decodeProtectedHeader(token as string).kid;

async function published(): Promise<{ keys: JWK[]; rotations?: string[] }> {
  return (await (await fetch(`${server.url}/.well-known/jwks.json`)).json()) as { keys: JWK[]; rotations?: string[] };
}

describe("a new key of the domain authority", () => {
  it("signs at once, while tokens from before hold until they expire and the old key may go", async () => {
    const device = await newMember();
    const tokenFromBefore = device.domainToken;
    expect(signerOf(tokenFromBefore)).toBe(old?.kid);

    await server.restart(authority(fresh, old));
    const newcomer = await newMember();
    expect(signerOf(newcomer.domainToken)).toBe(fresh?.kid);
    for (const token of [tokenFromBefore, newcomer.domainToken]) {
      expect(await verify(token)).toMatchObject({ sub: "home", key_version: 1 });
    }

    // A device that knows the old key only takes what the new one signs: the old one vouches for it.
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
    expect(signerOf(device.domainToken)).toBe(fresh?.kid);

    // A month later the tokens from before are over, and nothing needs the old key any more.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31 * DAY });
    await expect(verify(tokenFromBefore)).rejects.toMatchObject({ error: "DOMAIN_TOKEN_EXPIRED" });
    vi.useRealTimers();
    await server.restart(authority(fresh));
    expect(await verify(newcomer.domainToken)).toMatchObject({ sub: "home" });
    await expect(verify(tokenFromBefore)).rejects.toMatchObject({ error: "UNKNOWN_AUTHORITY" });
    const latecomer = await newMember();
    const jwe = await encryptToDomain(`${server.url}/domains/home`, "to all", { issuer: ISSUER });
    for (const each of [device, newcomer, latecomer]) {
      expect(new TextDecoder().decode(await each.decrypt(jwe))).toBe("to all");
    }
  });

  it("is vouched for by each former key, and by none while there is no other", async () => {
    expect(await published()).not.toHaveProperty("rotations");
    const older = await newSigningKey();
    await server.restart(authority(fresh, old, older));
    const { keys, rotations = [] } = await published();
    expect(keys.map(({ kid }) => kid)).toEqual([fresh?.kid, old?.kid, older.kid]);
    expect(rotations.map(signerOf)).toEqual([old?.kid, older.kid]);
    for (const [index, rotation] of rotations.entries()) {
      const { payload } = await jwtVerify(rotation, keys[index + 1] as JWK, { typ: "authority-rotation+jwt" });
      expect(payload).toMatchObject({ iss: ISSUER, cnf: { jwk: keys[0] } });
      expect(payload.exp).toBeGreaterThan(Date.now() / 1000);
    }
  });

  it("is not taken by a device that has the old one pinned once nobody vouches for it", async () => {
    const store = new MemoryStore();
    const device = await newMember(store);
    const tokenFromBefore = device.domainToken;
    await server.restart(authority(fresh));
    await expect(device.renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(device.domainToken).toBe(tokenFromBefore);
    await server.restart(authority(fresh, old));
    const restarted = await open(store);
    await restarted.renew();
    expect(signerOf(restarted.domainToken)).toBe(fresh?.kid);
    // It has pinned the new one by now.
    await server.restart(authority(fresh));
    expect(await (await open(store)).renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it("is trusted by clients that pinned the old one by its thumbprint, for as long as that vouches for it", async () => {
    const pinned = {
      authority: { thumbprints: [await calculateJwkThumbprint(old as JWK)], url: server.url },
      issuer: ISSUER,
      fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, init),
    };
    await server.restart(authority(fresh, old));
    const token = (await newMember()).domainToken as string;
    expect(await verifyDomainToken(token, pinned)).toMatchObject({ sub: "home" });
    await server.restart(authority(fresh));
    const another = { ...pinned, fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, init) };
    await expect(verifyDomainToken(token, another)).rejects.toMatchObject({ error: "UNKNOWN_AUTHORITY" });
  });
});
