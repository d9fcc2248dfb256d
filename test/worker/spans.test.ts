import { env, tracing } from "cloudflare:workers";
import { exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newDevice } from "../support/devices.ts";
import { mintToken } from "../support/issuers.ts";
import { deregister, newDomain, newGuid, ORIGIN, register, reply } from "../support/worker/client.ts";
import { signedBy } from "../support/worker/operators.ts";

const names: string[] = [];

beforeEach(() => {
  names.length = 0;
  const { enterSpan } = tracing;
  vi.spyOn(tracing, "enterSpan").mockImplementation((name, callback, ...args) => {
    names.push(name);
    return enterSpan.call(tracing, name, callback as never, ...args) as never;
  });
});

afterEach(() => vi.restoreAllMocks());

describe("the spans of a trace", () => {
  it("show the parts of a join that is signed, and whose keys are sealed", async () => {
    const { publicKey } = await generateKeyPair("ECDH-ES+A256KW", { crv: "P-256", extractable: true });
    const encryptionKey = await exportJWK(publicKey);
    const answer = await signedBy(await newDevice(), newDomain(), "register", { encryptionKey });
    expect(answer.status).toBe(201);
    const own = names.filter((name) => !name.startsWith("d1_"));
    expect(own).toEqual(["verify signature", "wait for batch", "commit batch", "sign credentials", "seal keys"]);
  });

  it("show the check of a token", async () => {
    const token = await mintToken("studio", env.TEST_ISSUER_KEYS.studio);
    const answer = await register(newDomain(), newGuid(), {}, { authorization: `Bearer ${token}` });
    expect(answer.status).toBe(201);
    expect(names).toContain("verify token");
  });

  it("cost a renewal nothing", async () => {
    const [domain, device] = [newDomain(), newGuid()];
    await register(domain, device);
    names.length = 0;
    expect((await register(domain, device)).status).toBe(200);
    expect(names).toEqual([]);
  });
});

describe("the trace of a caller", () => {
  const TRACE = "0af7651916cd43dd8448eb211c80319c";

  it.each([
    [`00-${TRACE}-b7ad6b7169203331-01`, TRACE],
    // A later version may say more.
    [`cc-${TRACE}-b7ad6b7169203331-01-what-the-future-will-be-like`, TRACE],
    [`00-${"0".repeat(32)}-b7ad6b7169203331-01`, undefined],
    [`00-${TRACE}-${"0".repeat(16)}-01`, undefined],
    [`00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`, undefined],
    [`00-${TRACE}-b7ad6b7169203331-01x`, undefined],
    ["6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77", undefined],
  ])("that says %s is in the log as %s", async (traceparent, traceId) => {
    const info = vi.spyOn(console, "info").mockImplementation(() => {});
    const { status } = await deregister(newDomain(), newGuid(), {}, { traceparent });
    expect(status).toBe(403);
    const refused = info.mock.calls.map(([line]) => JSON.parse(line)).find(({ message }) => message === "refused");
    expect(refused.traceId).toBe(traceId);
  });

  it("is in no answer", async () => {
    const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    const answer = await reply("GET", "/domains/nowhere", undefined, headers);
    expect(`${JSON.stringify(answer.body)}${JSON.stringify([...answer.headers])}${ORIGIN}`).not.toContain(TRACE);
  });
});
