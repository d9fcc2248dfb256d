import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";

/** A device with its own keys, as a test plays it. */
export type TestDevice = {
  machineGuid: string;
  alg: "ES256" | "Ed25519" | "EdDSA";
  privateKey: CryptoKey;
  publicJwk: JWK;
  thumbprint: string;
};

/** A new device that signs with `alg`. */
export async function newDevice(alg: TestDevice["alg"] = "ES256"): Promise<TestDevice> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return {
    machineGuid: crypto.randomUUID(),
    alg,
    privateKey,
    publicJwk,
    thumbprint: await calculateJwkThumbprint(publicJwk),
  };
}

/** A request signed by a device for an absolute URL; `claims` and `header` may overrule anything. */
export function sign(
  device: TestDevice,
  url: string,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const payload = {
    machineGuid: device.machineGuid,
    aud: url,
    iat: Date.now() / 1000,
    jti: crypto.randomUUID(),
    ...claims,
  };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: device.alg, typ: "device-request+jwt", jwk: device.publicJwk, ...header })
    .sign(device.privateKey);
}
