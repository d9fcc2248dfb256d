import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { SERVER_URL } from "../bench-server.ts";
import type { Request } from "./load-requests.ts";

/** A new device's signed request to join, with a key to seal the domain's keys to. */
export function signedJoin(path: string): Request {
  const device = newKeyPair();
  const encryption = newKeyPair();
  const header = { alg: "ES256", typ: "device-request+jwt", jwk: device.publicJwk };
  const payload = {
    machineGuid: randomUUID(),
    encryptionKey: encryption.publicJwk,
    aud: `${SERVER_URL}${path}`,
    iat: Math.floor(Date.now() / 1000),
    jti: randomUUID(),
  };
  const input = `${base64url(header)}.${base64url(payload)}`;
  const signature = sign("sha256", Buffer.from(input), { key: device.privateKey, dsaEncoding: "ieee-p1363" });
  return { path, contentType: "application/jose", body: `${input}.${signature.toString("base64url")}` };
}

function newKeyPair() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, publicJwk: publicKey.export({ format: "jwk" }) };
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
