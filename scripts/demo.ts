// `npm run demo`: the life of a domain against a running server, told as it happens. Ends with 1 if any step of the
// story is not so.
import assert from "node:assert/strict";
import { CompactEncrypt, compactDecrypt, createRemoteJWKSet, importJWK, type JWK, jwtVerify } from "jose";

const SERVER = (process.env.DOMAIN_SERVER_URL ?? `http://localhost:${process.env.PORT ?? 8787}`).replace(/\/$/, "");
const DOMAIN = `demo-${crypto.randomUUID().slice(0, 8)}`;

type Credential = { keyVersion: number; token: string; privateKey: JWK };
type Device = { name: string; machineGuid: string; keys: Map<number, JWK> };

try {
  await demo();
} catch (error) {
  const unreachable = error instanceof TypeError && error.message === "fetch failed";
  console.error(unreachable ? `No server answers at ${SERVER}: start one with "npm run dev".` : error);
  process.exit(1);
}

async function demo(): Promise<void> {
  console.log(`A day in the life of the domain "${DOMAIN}" at ${SERVER}\n`);
  const tv = newDevice("TV");
  const phone = newDevice("phone");
  const tablet = newDevice("tablet");

  await join(tv, { newMember: true, keyVersion: 1, received: [1] });
  await join(phone, { newMember: true, keyVersion: 1, received: [1] });

  const first = await encryptToDomain("licence for film 1");
  await opens(tv, first, "licence for film 1");
  await opens(phone, first, "licence for film 1");

  assert.deepEqual(await deregister(phone, true), { preview: true, deregistered: false });
  console.log("The phone asks whether it may leave: yes. It is still a member.");
  await opens(phone, first, "licence for film 1");
  assert.deepEqual(await deregister(phone, false), { preview: false, deregistered: true });
  console.log("The phone leaves. A rollover is due: nobody may encrypt to the newest key now.");
  assert.equal((await publicKeys()).currentKeyVersion, null);

  await join(tv, { newMember: false, keyVersion: 2, received: [2] }, 1);
  const second = await encryptToDomain("licence for film 2");
  await opens(tv, second, "licence for film 2");
  await staysShut(phone, second);

  await join(tablet, { newMember: true, keyVersion: 2, received: [1, 2] });
  await opens(tablet, first, "licence for film 1");
  await opens(tablet, second, "licence for film 2");
  console.log("\nEvery step was as it should be.");
}

function newDevice(name: string): Device {
  return { name, machineGuid: crypto.randomUUID(), keys: new Map() };
}

async function join(
  device: Device,
  expected: { newMember: boolean; keyVersion: number; received: number[] },
  afterKeyVersion = 0,
): Promise<void> {
  const { machineGuid, keys, name } = device;
  const answer = await post("register", { machineGuid, afterKeyVersion });
  const credentials = answer.credentials as Credential[];
  const received = credentials.map(({ keyVersion }) => keyVersion);
  assert.deepEqual({ newMember: answer.newMember, keyVersion: answer.keyVersion, received }, expected);
  for (const { keyVersion, token, privateKey } of credentials) {
    await verifyDomainToken(token, keyVersion, privateKey);
    keys.set(keyVersion, privateKey);
  }
  const what = expected.newMember ? "joins" : "renews";
  const versions = received.map((version) => `version ${version} (d=${short(keys.get(version)?.d)})`).join(" and ");
  console.log(`The ${name} (${short(machineGuid)}) ${what} and receives the domain key in ${versions}.`);
}

async function verifyDomainToken(token: string, keyVersion: number, privateKey: JWK): Promise<void> {
  const authority = createRemoteJWKSet(new URL(`${SERVER}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(token, authority, { subject: DOMAIN, typ: "domain-token+jwt" });
  assert.equal(payload.key_version, keyVersion);
  const { x, y } = (payload.cnf as { jwk: JWK }).jwk;
  assert.deepEqual({ x, y }, { x: privateKey.x, y: privateKey.y });
}

async function deregister({ machineGuid }: Device, preview: boolean) {
  const answer = await post("deregister", { machineGuid, preview });
  return { preview: answer.preview, deregistered: answer.deregistered };
}

async function publicKeys(): Promise<{ keys: JWK[]; currentKeyVersion: number | null }> {
  const response = await fetch(`${SERVER}/domains/${DOMAIN}/keys`);
  assert.equal(response.status, 200);
  return (await response.json()) as { keys: JWK[]; currentKeyVersion: number | null };
}

/** What a licence server does: take the domain's current key, and encrypt to it. */
async function encryptToDomain(secret: string): Promise<string> {
  const { keys, currentKeyVersion } = await publicKeys();
  const key = keys.find(({ kid }) => kid === `${DOMAIN}/${currentKeyVersion}`);
  assert(key?.kid, "the domain has a key to encrypt to");
  const jwe = await new CompactEncrypt(new TextEncoder().encode(secret))
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: key.kid })
    .encrypt(await importJWK(key));
  console.log(`\nThe licence server encrypts "${secret}" to ${key.kid}: ${short(jwe)}`);
  return jwe;
}

async function open({ keys }: Device, jwe: string): Promise<string> {
  const { plaintext } = await compactDecrypt(jwe, ({ kid }) => {
    const key = keys.get(Number(kid?.split("/").at(-1)));
    if (!key) throw new Error(`no key ${kid}`);
    return importJWK(key, "ECDH-ES+A256KW");
  });
  return new TextDecoder().decode(plaintext);
}

async function opens(device: Device, jwe: string, secret: string): Promise<void> {
  assert.equal(await open(device, jwe), secret);
  console.log(`  The ${device.name} opens it: "${secret}".`);
}

async function staysShut(device: Device, jwe: string): Promise<void> {
  await assert.rejects(open(device, jwe), /no key/);
  // Nor by trying every key it ever had.
  for (const key of device.keys.values())
    await assert.rejects(compactDecrypt(jwe, await importJWK(key, "ECDH-ES+A256KW")));
  console.log(`  The ${device.name}, which left, cannot open it.\n`);
}

async function post(action: "register" | "deregister", body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${SERVER}/domains/${DOMAIN}/${action}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  assert(response.ok, `${action} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

function short(text: string | undefined): string {
  return `${text?.slice(0, 8)}…`;
}
