import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, MemoryStore } from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { type Draft, FAKE_DOMAIN_URL, FakeServer } from "../../support/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  device = await DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch });
});

const secretFor = (text: string) => encryptToDomain(FAKE_DOMAIN_URL, text, { fetch: server.fetch });
const opened = async (jwe: string) => new TextDecoder().decode(await device.decrypt(jwe));
const asked = () => server.seen.map(({ payload }) => payload.afterKeyVersion);
const held = async () => (await store.load(FAKE_DOMAIN_URL))?.credentials.map(({ keyVersion }) => keyVersion);

async function rollOver(times: number): Promise<void> {
  for (let count = 0; count < times; count++) await server.rollOver();
}

describe("a device that joins after keys were retired", () => {
  it("has the others, and says of a secret for a retired one that it does not hold its key", async () => {
    await server.rollOver();
    const old = await secretFor("before");
    await rollOver(2);
    server.retireKeys(2);
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 3 });
    expect(await held()).toEqual([3]);
    expect(await opened(await secretFor("now"))).toBe("now");
    await expect(device.decrypt(old)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
  });

  it("renews from the version it holds, gets what is made since, and leaves", async () => {
    await rollOver(3);
    server.retireKeys(2);
    await device.join();
    await device.renew();
    await server.rollOver();
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 4 });
    expect(asked()).toEqual([0, 3, 3]);
    expect(await held()).toEqual([3, 4]);
    await device.leave();
    expect(await held()).toEqual([]);
  });

  it("gets them by joining again once they are brought back", async () => {
    await server.rollOver();
    const old = await secretFor("before");
    await rollOver(2);
    server.retireKeys(2);
    await device.join();
    server.retireKeys(0);
    await device.renew();
    expect(await held()).toEqual([3]);
    await device.join();
    expect(await held()).toEqual([1, 2, 3]);
    expect(await opened(old)).toBe("before");
  });
});

describe("a device that holds keys as they are retired", () => {
  it("keeps them, and opens what was encrypted to them", async () => {
    await server.rollOver();
    const old = await secretFor("before");
    await server.rollOver();
    await device.join();
    server.retireKeys(1);
    await device.join();
    await server.rollOver();
    await device.renew();
    expect(asked()).toEqual([0, 0, 2]);
    expect(await held()).toEqual([1, 2, 3]);
    expect(await opened(old)).toBe("before");
  });

  it("misses those that were made and retired meanwhile, and nothing else", async () => {
    await device.join();
    await rollOver(4);
    server.retireKeys(3);
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 5 });
    expect(await held()).toEqual([1, 4, 5]);
  });

  it("does not go on asking for tokens that it cannot get any more", async () => {
    server.spoil.statements = ({ statements }) => {
      for (const [index, statement] of statements.entries()) {
        statements[index] = { ...statement, lifetimeSeconds: statement.keyVersion === 1 ? 3_600 : 1_000_000 };
      }
    };
    await rollOver(2);
    await device.join();
    server.retireKeys(1);
    await device.renew();
    await device.renew();
    expect(asked()).toEqual([0, 0, 2]);
    // Once a key is brought back, and got anew, its token is renewed as any other.
    server.retireKeys(0);
    await device.join();
    await device.renew();
    expect(asked()).toEqual([0, 0, 2, 0, 0]);
  });
});

describe("an answer without retired keys", () => {
  const without = (from: number, count: number) => (draft: Draft) => {
    (draft.answer.credentials as unknown[]).splice(from, count);
    draft.privateKeys.splice(from, count);
  };

  it.each([
    ["a gap in the middle", without(1, 1)],
    ["the newest missing", without(2, 1)],
    ["nothing in it", without(0, 3)],
    [
      "its versions out of order",
      ({ answer }: Draft) => {
        (answer.credentials as unknown[]).reverse();
      },
    ],
  ])("is refused with %s", async (_, spoil) => {
    await rollOver(4);
    server.retireKeys(1);
    server.spoil.answer = spoil;
    await expect(device.join()).rejects.toMatchObject({
      error: "UNTRUSTED_ANSWER",
      message: expect.stringContaining("gaps"),
    });
    expect(await held()).toEqual([]);
    server.spoil = {};
    await device.join();
    expect(await held()).toEqual([2, 3, 4]);
  });
});
