import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { encryptToDomain } from "../../src/licence/domain-encryption.ts";
import { newDomain, ORIGIN } from "./client.ts";

const fetch: typeof globalThis.fetch = (input, init) => exports.default.fetch(new Request(input, init));

describe("the client library in a Worker", () => {
  it("joins, opens a secret, leaves, and comes back", async () => {
    const url = `${ORIGIN}/domains/${newDomain()}`;
    const device = await DeviceDomain.open(url, { fetch, retries: 0 });
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    const secret = await encryptToDomain(url, "a secret", { fetch, retries: 0 });
    expect(new TextDecoder().decode(await device.decrypt(secret))).toBe("a secret");
    await device.leave();
    expect(device).toMatchObject({ status: "left", currentKeyVersion: null });
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 2 });
  });
});
