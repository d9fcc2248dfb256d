import { CompactSign, exportJWK, generateKeyPair, type JWK } from "jose";
import type { Members } from "./expectations.ts";

/** A device that signs its requests. */
export type SigningDevice = Readonly<{ machineGuid: string; alg: string; privateKey: CryptoKey; publicKey: JWK }>;

/** Header and payload members that replace those of a correct signed request. */
export type Claims = Members;

/** A new device that signs with `alg`. */
export async function newSigningDevice(
  alg = "ES256",
  machineGuid: string = crypto.randomUUID(),
): Promise<SigningDevice> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { machineGuid, alg, privateKey, publicKey: await exportJWK(publicKey) };
}

/** A device's request for a URL, signed. */
export function signed(device: SigningDevice, url: string, claims: Claims = {}, header: Members = {}): Promise<string> {
  const { machineGuid, alg, publicKey } = device;
  const payload = { machineGuid, aud: url, iat: Date.now() / 1000, jti: crypto.randomUUID(), ...claims };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg, typ: "device-request+jwt", jwk: publicKey, ...header })
    .sign(device.privateKey);
}
