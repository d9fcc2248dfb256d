import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MockServer, startMockServer } from "../../scripts/mock/mock-server.ts";
import { DeviceDomain, MemoryStore } from "../../src/client/index.ts";
import { encryptToDomain } from "../../src/licence/index.ts";

let mock: MockServer;
beforeAll(async () => {
  mock = await startMockServer(0);
});
afterAll(() => mock.stop());

/** A device that tries again at once, and the pauses it was asked to make. */
async function device(name: string, retries = 4) {
  const pauses: number[] = [];
  const pause = async (milliseconds: number) => void pauses.push(milliseconds);
  const url = `${mock.url}/domains/${name}`;
  return { url, pauses, device: await DeviceDomain.open(url, { store: new MemoryStore(), retries, pause }) };
}

function register(name: string, body: object = { machineGuid: crypto.randomUUID() }): Promise<Response> {
  return fetch(`${mock.url}/domains/${name}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

describe("the mock server", () => {
  it("is the real server where a name has no script", async () => {
    const response = await register("plain");
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ domain: "plain", newMember: true, keyVersion: 1 });
  });

  it.each(["unreached", "lost", "cut", "twice"])("%s: a device joins all the same", async (effect) => {
    const { device: tv } = await device(`join~${effect}:register`);
    expect(await tv.join()).toMatchObject({ keyVersion: 1 });
    expect(tv.status).toBe("member");
  });

  it("lost: the response to the second leave, which repeats as the same", async () => {
    const name = "leave~lost:deregister:2";
    const [tv, phone] = [await device(name), await device(name)];
    await tv.device.join();
    await phone.device.join();
    await tv.device.leave();
    expect(tv.pauses).toEqual([]);
    await phone.device.leave();
    expect(phone.pauses).toHaveLength(1);
    expect(phone.device.status).toBe("left");
  });

  it("503: three times, and then the device is a member", async () => {
    const { device: tv, pauses } = await device("busy~503:register:1-3");
    await tv.join();
    expect(pauses).toHaveLength(3);
    // One second is what each refusal asked for.
    expect(pauses.every((each) => each >= 1_000)).toBe(true);
  });

  it("429 and 500: as the server says them", async () => {
    const limited = await register("limited~429:register");
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await limited.json()).toMatchObject({ error: "RATE_LIMITED", status: 429 });
    const failed = await register("failed~500:register");
    expect(await failed.json()).toMatchObject({ error: "INTERNAL_ERROR", status: 500 });
  });

  it.each([400, -400])("clock: %i s off, which a device learns from the refusal", async (seconds) => {
    const { device: tv } = await device(`clock~clock:${seconds}`);
    expect(await tv.join()).toMatchObject({ keyVersion: 1 });
    const { iat = 0 } = decodeJwt(tv.domainToken ?? "");
    expect(iat - Date.now() / 1_000).toBeGreaterThan(seconds - 200);
    expect(iat - Date.now() / 1_000).toBeLessThan(seconds + 200);
  });

  it("limit: the domain is full", async () => {
    expect((await register("full~limit:1")).status).toBe(201);
    const response = await register("full~limit:1");
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ error: "DOM_LIMIT_REACHED", code: 502 });
  });

  it("device-key: a plain request is refused", async () => {
    const response = await register("signed~device-key");
    expect(await response.json()).toMatchObject({ error: "DEVICE_KEY_REQUIRED", status: 401 });
    const { device: tv } = await device("signed~device-key");
    expect(await tv.join()).toMatchObject({ newMember: true });
  });

  it("rollover: due before the second registration", async () => {
    const { device: tv } = await device("due~rollover:register:2");
    expect(await tv.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(await tv.renew()).toEqual({ newMember: false, keyVersion: 2 });
  });

  it("evicted and banned: what an operator did in between", async () => {
    const { device: evicted } = await device("gone~evicted:register:2");
    await evicted.join();
    // A device that was removed may join anew; its rollover came first.
    expect(await evicted.renew()).toEqual({ newMember: true, keyVersion: 2 });
    const guid = crypto.randomUUID();
    expect((await register("out~banned:register:2", { machineGuid: guid })).status).toBe(201);
    const response = await register("out~banned:register:2", { machineGuid: guid });
    expect(await response.json()).toMatchObject({ error: "DEVICE_BANNED", status: 403 });
  });

  it("replayed: an old key set, which a licence server does not take", async () => {
    const { device: tv, url } = await device("old~replayed:keys:3-end");
    await tv.join();
    const film = await encryptToDomain(url, "film");
    expect(new TextDecoder().decode(await tv.decrypt(film))).toBe("film");
    await tv.leave();
    await encryptToDomain(url, "a later film");
    await expect(encryptToDomain(url, "a third film")).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("names the word of a script that it cannot read", async () => {
    const response = await register("den~lose:register");
    expect(response.status).toBe(400);
    expect(((await response.json()) as { detail: string }).detail).toContain('"lose:register"');
  });
});
