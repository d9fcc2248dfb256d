import { env } from "cloudflare:workers";
import { CompactSign, exportJWK, generateKeyPair } from "jose";
import { describe, expect, it, vi } from "vitest";
import { newDevice, sign, type TestDevice } from "../support/devices.ts";
import { mintToken } from "../support/issuers.ts";
import {
  configure,
  deregister,
  newDomain,
  newGuid,
  ORIGIN,
  type Reply,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";

const JOSE = { "content-type": "application/jose" };

/** Sends a signed request as it is. */
function send(domain: string, action: "register" | "deregister", jws: string, headers = {}): Promise<Reply> {
  return reply("POST", `/domains/${domain}/${action}`, jws, { ...JOSE, ...headers });
}

async function signed(
  device: TestDevice,
  domain: string,
  action: "register" | "deregister",
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<Reply> {
  return send(domain, action, await sign(device, `${ORIGIN}/domains/${domain}/${action}`, claims, header));
}

describe("a signed request", () => {
  it.each(["ES256", "Ed25519", "EdDSA"] as const)(
    "signed with %s is served as the same members unsigned are",
    async (alg) => {
      const domain = newDomain();
      const device = await newDevice(alg);
      const joined = await signed(device, domain, "register", { afterKeyVersion: 0 });
      expect(joined.status).toBe(201);
      expect(joined.body).toMatchObject({ domain, machineGuid: device.machineGuid, newMember: true, keyVersion: 1 });
      expect((await signed(device, domain, "deregister", { preview: true })).body.deregistered).toBe(false);
      expect((await signed(device, domain, "deregister")).body.deregistered).toBe(true);
    },
  );

  it("by the older name of its algorithm is of the same key", async () => {
    const domain = newDomain();
    const device = await newDevice("Ed25519");
    expect((await signed(device, domain, "register")).status).toBe(201);
    const renamed: TestDevice = { ...device, alg: "EdDSA" };
    expect((await signed(renamed, domain, "register")).status).toBe(200);
    expect((await rows(domain)).members[0]?.device_key_thumbprint).toBe(device.thumbprint);
    expect((await signed(renamed, domain, "deregister")).body.deregistered).toBe(true);
    const ofCurve = { alg: "EdDSA", jwk: (await newDevice()).publicJwk };
    expect((await signed(await newDevice("Ed25519"), domain, "register", {}, ofCurve)).status).toBe(403);
  });

  it("binds the key's thumbprint to the membership", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await signed(device, domain, "register");
    expect((await rows(domain)).members[0]?.device_key_thumbprint).toBe(device.thumbprint);
  });

  it("is held to the same schema", async () => {
    const answer = await signed(await newDevice(), newDomain(), "register", { machineGuid: "x", extra: 1 });
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map(({ field }: { field: string }) => field).sort()).toEqual(["extra", "machineGuid"]);
  });
});

describe("a signed request for another address", () => {
  it("is told which address to sign for, and its query is neither repeated nor logged", async () => {
    const domain = newDomain();
    const path = `/domains/${domain}/register`;
    const logged = vi.spyOn(console, "info");
    const jws = await sign(await newDevice(), `${ORIGIN}/elsewhere`);
    const { status, body } = await reply("POST", `${path}?token=a-secret-in-the-wrong-place`, jws, JOSE);
    expect(status).toBe(403);
    expect(body.detail).toContain(`${ORIGIN}${path}`);
    expect(JSON.stringify([body, logged.mock.calls])).not.toContain("a-secret");
  });
});

describe("a membership that is bound to a key", () => {
  it("serves nobody else: no unsigned request, and no other key", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await signed(device, domain, "register");
    const before = await rows(domain);
    const thief = { ...(await newDevice()), machineGuid: device.machineGuid };
    const logged = vi.spyOn(console, "info");
    const refused = [
      await register(domain, device.machineGuid),
      await deregister(domain, device.machineGuid),
      await deregister(domain, device.machineGuid, { preview: true }),
      await signed(thief, domain, "register"),
      await signed(thief, domain, "deregister"),
      await signed(thief, domain, "deregister", { preview: true }),
    ];
    for (const { status, body } of refused) {
      expect(status).toBe(403);
      expect(body.error).toBe("DEVICE_PROOF_INVALID");
      expect(JSON.stringify(body)).not.toContain("privateKey");
    }
    expect(logged.mock.calls.filter(([line]) => String(line).includes("DEVICE_PROOF_INVALID"))).toHaveLength(6);
    expect(await rows(domain)).toEqual(before);
    expect((await signed(device, domain, "register")).status).toBe(200);
  });

  it("comes of a member that joined unsigned and renews signed, once", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await register(domain, device.machineGuid);
    expect((await register(domain, device.machineGuid)).status).toBe(200);
    expect((await signed(device, domain, "register")).status).toBe(200);
    expect((await register(domain, device.machineGuid)).body.error).toBe("DEVICE_PROOF_INVALID");
    const { members, log } = await rows(domain);
    expect(members).toHaveLength(1);
    expect(members[0]?.device_key_thumbprint).toBe(device.thumbprint);
    expect(log.map(({ changes }) => JSON.parse(changes as string)[0].type)).toContain("device-key-bound");
  });

  it("is not bound by a preview or a refused request", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await register(domain, device.machineGuid);
    await signed(device, domain, "deregister", { preview: true });
    expect((await register(domain, device.machineGuid)).status).toBe(200);
  });

  it("ends with the membership: who joins anew may bring another key", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await signed(device, domain, "register");
    await signed(device, domain, "deregister");
    const renewed = { ...(await newDevice()), machineGuid: device.machineGuid };
    expect((await signed(renewed, domain, "register")).status).toBe(201);
    expect((await rows(domain)).members[0]?.device_key_thumbprint).toBe(renewed.thumbprint);
  });

  it("is of one domain: the same GUID may have another key elsewhere", async () => {
    const [one, two] = [newDomain(), newDomain()];
    const device = await newDevice();
    const other = { ...(await newDevice()), machineGuid: device.machineGuid };
    expect((await signed(device, one, "register")).status).toBe(201);
    expect((await signed(other, two, "register")).status).toBe(201);
  });
});

describe("a domain that requires device keys", () => {
  it("serves signed requests alone", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await configure(domain, { deviceKeyRequired: true });
    expect((await reply("GET", `/domains/${domain}`)).body.deviceKeyRequired).toBe(true);
    for (const answer of [await register(domain, newGuid()), await deregister(domain, newGuid())]) {
      expect(answer.status).toBe(401);
      expect(answer.body.error).toBe("DEVICE_KEY_REQUIRED");
      expect(answer.headers.get("www-authenticate")).not.toBeNull();
    }
    expect((await rows(domain)).members).toEqual([]);
    expect((await signed(device, domain, "register")).status).toBe(201);
    expect((await signed(device, domain, "deregister")).status).toBe(200);
  });
});

describe("a proof that does not hold", () => {
  const url = (domain: string) => `${ORIGIN}/domains/${domain}/register`;
  const twists: [string, (domain: string, device: TestDevice) => Promise<string>][] = [
    ["typ missing", (domain, device) => sign(device, url(domain), {}, { typ: undefined })],
    ["typ of another kind", (domain, device) => sign(device, url(domain), {}, { typ: "JWT" })],
    ["aud of another domain", (_, device) => sign(device, url("elsewhere"))],
    ["aud of another action", (domain, device) => sign(device, `${ORIGIN}/domains/${domain}/deregister`)],
    ["aud of another server", (domain, device) => sign(device, `https://evil.example/domains/${domain}/register`)],
    ["aud with a query", (domain, device) => sign(device, `${url(domain)}?x`)],
    ["iat too old", (domain, device) => sign(device, url(domain), { iat: Date.now() / 1000 - 320 })],
    ["iat in the future", (domain, device) => sign(device, url(domain), { iat: Date.now() / 1000 + 320 })],
    ["a key by URL", (domain, device) => sign(device, url(domain), {}, { jku: "https://evil.example/jwks" })],
    ["a certificate by URL", (domain, device) => sign(device, url(domain), {}, { x5u: "https://evil.example/c" })],
    ["a certificate", (domain, device) => sign(device, url(domain), {}, { x5c: ["AAAA"] })],
    ["kid of another key", (domain, device) => sign(device, url(domain), {}, { kid: "another" })],
    ["no key at all", (domain, device) => sign(device, url(domain), {}, { jwk: undefined })],
    [
      "another key than signed",
      async (domain, device) => sign(device, url(domain), {}, { jwk: (await newDevice()).publicJwk }),
    ],
    [
      "the private key along",
      async (domain, device) => sign(device, url(domain), {}, { jwk: await exportJWK(device.privateKey) }),
    ],
    ["alg none", async (domain, device) => unsecured(await sign(device, url(domain)))],
    ["an HMAC", async (domain, device) => withHmac(device, url(domain))],
    ["an RSA key", async (domain, device) => withRsa(device, url(domain))],
    ["a changed payload", async (domain, device) => tampered(await sign(device, url(domain)))],
    ["a changed signature", async (domain, device) => `${(await sign(device, url(domain))).slice(0, -8)}AAAAAAAA`],
  ];

  it.each(twists)("is refused: %s", async (_, twist) => {
    const domain = newDomain();
    const answer = await send(domain, "register", await twist(domain, await newDevice()));
    expect(answer.status).toBe(403);
    expect(answer.body.error).toBe("DEVICE_PROOF_INVALID");
    expect((await rows(domain)).info).toBeUndefined();
  });

  it.each([
    ["nothing", "", "body"],
    ["no JWS", "hello", "body"],
    ["two parts", "e30.e30", "body"],
    ["JSON", '{"machineGuid":"x"}', "body"],
  ])("is malformed: %s", async (_, text, field) => {
    const answer = await send(newDomain(), "register", text);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe(field);
  });

  it.each([
    ["aud", { aud: undefined }],
    ["aud", { aud: ["a", "b"] }],
    ["iat", { iat: "now" }],
    ["jti", { jti: undefined }],
    ["jti", { jti: "" }],
    ["jti", { jti: "with space" }],
    ["jti", { jti: "x".repeat(129) }],
  ])("is malformed: %s in %j", async (field, claims) => {
    const answer = await signed(await newDevice(), newDomain(), "register", claims);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe(field);
  });

  it("may name its own key by thumbprint, and be 290 seconds off", async () => {
    const device = await newDevice();
    const domain = newDomain();
    const answer = await signed(
      device,
      domain,
      "register",
      { iat: Date.now() / 1000 - 290 },
      { kid: device.thumbprint },
    );
    expect(answer.status).toBe(201);
  });
});

describe("an auth token that is bound to a key", () => {
  it("serves only that key", async () => {
    const domain = newDomain();
    const [device, thief] = [await newDevice(), await newDevice()];
    await configure(domain, { authenticationRequired: true, authNamespace: "studio" });
    const token = await mintToken("studio", env.TEST_ISSUER_KEYS.studio, {
      claims: { cnf: { jkt: device.thumbprint } },
    });
    const headers = { authorization: `Bearer ${token}` };
    const by = async (who: TestDevice) =>
      send(domain, "register", await sign(who, `${ORIGIN}/domains/${domain}/register`), headers);
    expect((await by(thief)).body.error).toBe("DEVICE_PROOF_INVALID");
    expect((await register(domain, newGuid(), {}, headers)).body.error).toBe("DEVICE_PROOF_INVALID");
    expect((await by(device)).status).toBe(201);
  });
});

describe("a captured request", () => {
  it("that leaves, replayed after a re-join, answers as before and changes nothing", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await signed(device, domain, "register");
    const leave = await sign(device, `${ORIGIN}/domains/${domain}/deregister`);
    const first = await send(domain, "deregister", leave);
    await signed(device, domain, "register");
    const before = await rows(domain);
    const replayed = await send(domain, "deregister", leave);
    expect([replayed.status, replayed.body]).toEqual([first.status, first.body]);
    expect(await rows(domain)).toEqual(before);
  });

  it("that was denied its leave, replayed after the join, does not throw the device out", async () => {
    const domain = newDomain();
    const device = await newDevice();
    await register(domain, newGuid());
    const leave = await sign(device, `${ORIGIN}/domains/${domain}/deregister`, { iat: Date.now() / 1000 - 5 });
    expect((await send(domain, "deregister", leave)).body.error).toBe("DEREG_DENIED");
    await signed(device, domain, "register");
    const before = await rows(domain);
    expect((await send(domain, "deregister", leave)).body.error).toBe("DEVICE_PROOF_INVALID");
    expect(await rows(domain)).toEqual(before);
    expect((await signed(device, domain, "deregister")).status).toBe(200);
  });

  it("that joins, replayed after the leave, does not bring the device back", async () => {
    const domain = newDomain();
    const device = await newDevice();
    const join = await sign(device, `${ORIGIN}/domains/${domain}/register`, { iat: Date.now() / 1000 - 5 });
    expect((await send(domain, "register", join)).status).toBe(201);
    await signed(device, domain, "deregister");
    const before = await rows(domain);
    expect((await send(domain, "register", join)).body.error).toBe("DEVICE_PROOF_INVALID");
    expect(await rows(domain)).toEqual(before);
  });

  it("that joins is answered in the clear once", async () => {
    const domain = newDomain();
    const device = await newDevice();
    const join = await sign(device, `${ORIGIN}/domains/${domain}/register`);
    expect((await send(domain, "register", join)).body.credentials[0].privateKey).toBeDefined();
    const replayed = await send(domain, "register", join);
    expect(replayed.status).toBe(403);
    expect(JSON.stringify(replayed.body)).not.toContain('"d"');
  });

  it("that joins sealed, replayed, gives only what the device can open", async () => {
    const domain = newDomain();
    const device = await newDevice();
    const { publicKey } = await generateKeyPair("ECDH-ES+A256KW", { extractable: true });
    const join = await sign(device, `${ORIGIN}/domains/${domain}/register`, {
      encryptionKey: await exportJWK(publicKey),
    });
    await send(domain, "register", join);
    const replayed = await send(domain, "register", join);
    expect(replayed.status).toBe(200);
    expect(replayed.body.sealedKeys).toBeDefined();
    expect(JSON.stringify(replayed.body)).not.toContain("privateKey");
  });

  it("cannot be given another key to seal to", async () => {
    const domain = newDomain();
    const device = await newDevice();
    const { publicKey } = await generateKeyPair("ECDH-ES+A256KW", { extractable: true });
    const join = await sign(device, `${ORIGIN}/domains/${domain}/register`, {
      encryptionKey: await exportJWK(publicKey),
    });
    const [header, payload, signature] = join.split(".") as [string, string, string];
    const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    const thief = await generateKeyPair("ECDH-ES+A256KW", { extractable: true });
    claims.encryptionKey = await exportJWK(thief.publicKey);
    const forged = `${header}.${base64url(JSON.stringify(claims))}.${signature}`;
    expect((await send(domain, "register", forged)).body.error).toBe("DEVICE_PROOF_INVALID");
  });
});

function base64url(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function unsecured(jws: string): string {
  const [, payload] = jws.split(".");
  return `${base64url(JSON.stringify({ alg: "none", typ: "device-request+jwt" }))}.${payload}.`;
}

function tampered(jws: string): string {
  const [header, , signature] = jws.split(".");
  return `${header}.${base64url(JSON.stringify({ machineGuid: newGuid() }))}.${signature}`;
}

function withHmac(device: TestDevice, url: string): Promise<string> {
  const payload = { machineGuid: device.machineGuid, aud: url, iat: Date.now() / 1000, jti: "x" };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "HS256", typ: "device-request+jwt", jwk: device.publicJwk })
    .sign(new TextEncoder().encode(JSON.stringify(device.publicJwk)));
}

async function withRsa(device: TestDevice, url: string): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const payload = { machineGuid: device.machineGuid, aud: url, iat: Date.now() / 1000, jti: "x" };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "RS256", typ: "device-request+jwt", jwk: await exportJWK(publicKey) })
    .sign(privateKey);
}
