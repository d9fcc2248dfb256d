import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { encryptToDomain } from "../../src/licence/domain-encryption.ts";
import { invariantViolations, newDomain, ORIGIN, rows } from "../support/worker/client.ts";

const fetch: typeof globalThis.fetch = (...args) => exports.default.fetch(new Request(...args));

const urlOf = (domain: string) => `${ORIGIN}/domains/${domain}`;

async function decrypted(device: DeviceDomain, secret: string): Promise<string> {
  return new TextDecoder().decode(await device.decrypt(secret));
}

describe("the client library in a Worker", () => {
  it("joins, renews when another has left, opens secrets, leaves, and comes back", async () => {
    const domain = newDomain();
    const url = urlOf(domain);
    const device = await DeviceDomain.open(url, { fetch });
    const other = await DeviceDomain.open(url, { fetch });
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(await other.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(await device.domain()).toMatchObject({ domain, keyVersion: 1 });
    const early = await encryptToDomain(url, "a film", { fetch });
    expect(await decrypted(device, early)).toBe("a film");

    await other.leave();
    // The rollover is due: it is carried out for the licence server.
    const late = await encryptToDomain(url, "another film", { fetch });
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
    expect(await decrypted(device, late)).toBe("another film");
    expect(await decrypted(device, early)).toBe("a film");
    expect((await rows(domain)).members).toHaveLength(1);

    expect(await device.previewLeave()).toBe(true);
    await device.leave();
    expect(device).toMatchObject({ status: "left", currentKeyVersion: null });
    await expect(device.decrypt(late)).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    expect((await rows(domain)).members).toEqual([]);
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 3 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("finishes a leave whose answer was lost", async () => {
    const domain = newDomain();
    const device = await DeviceDomain.open(urlOf(domain), { fetch: losingOneLeave(), retries: 0 });
    await device.join();
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    expect(device.status).toBe("leaving");
    const { members, log } = await rows(domain);
    expect(members).toEqual([]);
    await device.leave();
    expect(device.status).toBe("left");
    expect((await rows(domain)).log).toEqual(log);
  });

  it("throws what is refused by its name and number", async () => {
    const device = await DeviceDomain.open(urlOf(newDomain()), { fetch });
    await expect(device.domain()).rejects.toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404 });
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED", code: 401, status: 403 });
  });
});

/** A fetch that loses the answer to the first leave. */
function losingOneLeave(): typeof globalThis.fetch {
  let lost = false;
  return async (...args) => {
    const answer = await fetch(...args);
    if (lost || !String(args[0]).endsWith("/deregister")) return answer;
    lost = true;
    await answer.body?.cancel();
    throw new TypeError("the connection is gone");
  };
}
