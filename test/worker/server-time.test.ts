import { env } from "cloudflare:workers";
import { decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { newDevice, sign, type TestDevice } from "../support/devices.ts";
import { configure, newDomain, newGuid, ORIGIN, type Reply, register, reply, rows } from "../support/worker/client.ts";
import { claimsOf } from "../support/worker/key-versions.ts";

const TYPE = "server-time+jwt";
const JOSE = { "content-type": "application/jose" };
const MINUTE = 60;

type Action = "register" | "deregister";

/** Sends a request that a device signed by a clock that is off by so many seconds. */
async function sent(
  device: TestDevice,
  domain: string,
  seconds: number,
  claims: Record<string, unknown> = {},
  action: Action = "register",
): Promise<Reply> {
  const path = `/domains/${domain}/${action}`;
  const iat = Date.now() / 1000 + seconds;
  return reply("POST", path, await sign(device, `${ORIGIN}${path}`, { iat, ...claims }), JOSE);
}

describe("a signed request that its clock alone speaks against", () => {
  it.each([
    ["register", -6 * MINUTE],
    ["register", 6 * MINUTE],
    ["register", 1e9],
    ["deregister", -6 * MINUTE],
    ["deregister", -1e9],
  ] as const)("to %s, off by %d seconds, is told the time, signed for its jti", async (action, seconds) => {
    const domain = newDomain();
    const device = await newDevice();
    const jti = newGuid();
    const { status, body, headers } = await sent(device, domain, seconds, { jti }, action);
    expect([status, body.error]).toEqual([403, "DEVICE_PROOF_INVALID"]);
    expect(body.detail).toContain("iat");
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(headers.get("cache-control")).toBe("no-store");
    const [{ kid }] = JSON.parse(env.DOMAIN_AUTHORITY_KEYS).keys;
    expect(decodeProtectedHeader(body.serverTime)).toEqual({ alg: "ES256", typ: TYPE, kid });
    const claims = await claimsOf(body.serverTime, TYPE);
    expect(claims).toEqual({ iss: ORIGIN, iat: expect.any(Number), jti });
    expect(Math.abs((claims.iat as number) - Date.now() / 1000)).toBeLessThan(MINUTE);
    expect((await rows(domain)).log).toEqual([]);
  });

  it("is served once the device has set its clock by it", async () => {
    const domain = newDomain();
    const device = await newDevice();
    const { body } = await sent(device, domain, -3600);
    const { iat } = await claimsOf(body.serverTime, TYPE);
    expect((await sent(device, domain, 0, { iat })).status).toBe(201);
  });
});

describe("the server's time", () => {
  it("is not in the answer to a request that is served", async () => {
    expect((await sent(await newDevice(), newDomain(), 0)).body).not.toHaveProperty("serverTime");
  });

  it.each([
    ["is for another address", { aud: `${ORIGIN}/domains/elsewhere/register` }],
    ["has no jti", { jti: undefined }],
    ["has a jti that is none", { jti: "two words" }],
    ["has no iat", { iat: undefined }],
    ["has an iat that is no number", { iat: "now" }],
  ])("is not told for a request that %s as well", async (_, claims) => {
    const { status, body } = await sent(await newDevice(), newDomain(), -3600, claims);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body).not.toHaveProperty("serverTime");
  });

  it("is not told for a request that another key signed, or that is refused for what it asks", async () => {
    const domain = newDomain();
    const [device, other] = [await newDevice(), await newDevice()];
    const forged = await sent({ ...device, privateKey: other.privateKey }, domain, -3600);
    expect(forged).toMatchObject({ status: 403, body: { error: "DEVICE_PROOF_INVALID" } });
    expect(forged.body).not.toHaveProperty("serverTime");
    await configure(domain, { maxMembership: 0, deviceKeyRequired: true });
    expect((await sent(device, domain, 0)).body).not.toHaveProperty("serverTime");
    expect((await register(domain, newGuid())).body).not.toHaveProperty("serverTime");
  });
});
