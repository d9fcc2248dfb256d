import { CompactEncrypt, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, MemoryStore } from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { generateDomainKeyPair } from "../../../src/server/crypto/key-pairs.ts";
import {
  cut,
  type Draft,
  FAKE_DOMAIN_URL,
  FakeServer,
  newAuthorityKey,
  unreached,
} from "../../support/node/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;
/** The paths, with queries, of what the device asked for. */
let asked: string[];

const open = () =>
  DeviceDomain.open(FAKE_DOMAIN_URL, {
    store,
    pause: async () => {},
    fetch: (input, init) => {
      const { pathname, search } = new URL(String(input));
      asked.push(`${pathname}${search}`);
      return server.fetch(String(input), init);
    },
  });

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  asked = [];
  device = await open();
});

const secretFor = (text: string) => encryptToDomain(FAKE_DOMAIN_URL, text, { fetch: server.fetch });
const opened = async (jwe: string) => new TextDecoder().decode(await device.decrypt(jwe));
const held = async () => (await store.load(FAKE_DOMAIN_URL))?.credentials.map(({ keyVersion }) => keyVersion);
const historyAsked = () => asked.filter((path) => path.includes("/history"));

async function rollOver(times: number): Promise<void> {
  for (let count = 0; count < times; count++) await server.rollOver();
}

/** A secret for the newest key by somebody who does not write its version into the header. */
async function secretWithoutVersion(text: string): Promise<string> {
  const { keys } = (await (await server.fetch(`${FAKE_DOMAIN_URL}/keys`)).json()) as { keys: JWK[] };
  const { kty, crv, x, y, kid } = keys.at(-1) as JWK;
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: kid as string })
    .encrypt({ kty, crv, x, y } as JWK);
}

describe("a device that joins late", () => {
  it("opens an old secret with one further request, and its neighbours with none", async () => {
    await rollOver(150);
    const old = await secretFor("150");
    await rollOver(1);
    const next = await secretFor("151");
    await rollOver(100);
    await device.join();
    expect(await held()).toEqual([251]);

    asked = [];
    expect(await opened(old)).toBe("150");
    expect(asked).toEqual(["/domains/den/keys/251/history?before=201"]);
    expect(await held()).toEqual([...Array.from({ length: 100 }, (_, index) => 101 + index), 251]);
    expect(await opened(next)).toBe("151");
    expect(asked).toHaveLength(1);
  });

  it("keeps what it got for the next program", async () => {
    await rollOver(1);
    const old = await secretFor("old");
    await rollOver(1);
    await device.join();
    await opened(old);
    device = await open();
    asked = [];
    expect(await opened(old)).toBe("old");
    expect(asked).toEqual([]);
  });

  it("gets older keys also in a program whose clock is wrong", async () => {
    await rollOver(1);
    const old = await secretFor("old");
    await rollOver(1);
    server.now = () => Date.now() + 60 * 60 * 1000;
    await device.join();
    device = await open();
    asked = [];
    expect(await opened(old)).toBe("old");
    expect(asked.filter((path) => path.endsWith("/deregister"))).toEqual([]);
  });

  it("gets older keys also if its clock went wrong since it last asked", async () => {
    await rollOver(1);
    const old = await secretFor("old");
    await rollOver(1);
    await device.join();
    server.now = () => Date.now() + 60 * 60 * 1000;
    device = await open();
    asked = [];
    expect(await opened(old)).toBe("old");
    // A preview is refused, with the time, and repeated.
    expect(asked.filter((path) => path.endsWith("/deregister"))).toHaveLength(2);
    expect(server.state.memberCount).toBe(1);
  });

  it("finds the key of a secret that does not say its version", async () => {
    await rollOver(1);
    const old = await secretWithoutVersion("old");
    await rollOver(150);
    await device.join();
    asked = [];
    expect(await opened(old)).toBe("old");
    expect(asked.map((path) => path.replace(/kid=.*/, "kid="))).toEqual([
      "/domains/den/keys?kid=",
      "/domains/den/keys/151/history?before=101",
    ]);
  });

  it("gets older keys as soon as a request for them comes through", async () => {
    await rollOver(1);
    const old = await secretFor("old");
    await rollOver(1);
    await device.join();
    server.fates.push(unreached, cut);
    expect(await opened(old)).toBe("old");
    expect(historyAsked()).toHaveLength(3);
  });

  it("asks once for what two secrets need", async () => {
    await rollOver(1);
    const [one, other] = [await secretFor("one"), await secretFor("other")];
    await rollOver(1);
    await device.join();
    expect(await Promise.all([opened(one), opened(other)])).toEqual(["one", "other"]);
    expect(historyAsked()).toHaveLength(1);
  });
});

describe("a retired key", () => {
  it("is not had any more, and the device says so", async () => {
    await rollOver(1);
    const old = await secretFor("before");
    await rollOver(2);
    server.retireKeys(2);
    await device.join();
    await expect(device.decrypt(old)).rejects.toMatchObject({ error: "KEY_RETIRED", retryable: false });
    expect(await held()).toEqual([3]);
  });

  it("is kept by a device that has it", async () => {
    await device.join();
    const old = await secretFor("before");
    await rollOver(2);
    server.retireKeys(2);
    await device.renew();
    expect(await held()).toEqual([1, 3]);
    expect(await opened(old)).toBe("before");
  });

  it("is had once it is brought back", async () => {
    await rollOver(1);
    const old = await secretFor("before");
    await rollOver(2);
    server.retireKeys(2);
    await device.join();
    await expect(device.decrypt(old)).rejects.toMatchObject({ error: "KEY_RETIRED" });
    server.retireKeys(0);
    expect(await opened(old)).toBe("before");
  });
});

describe("a domain that was restored", () => {
  it("makes a version anew, and a device goes on by itself with both keys of it", async () => {
    await rollOver(3);
    await device.join();
    const lost = await secretFor("to the lost key");
    await server.restore(2);
    // Another device came first.
    await (await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch })).join();
    const anew = await secretFor("to the key made anew");
    await expect(device.decrypt(anew)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 3 });
    expect(await held()).toEqual([3, 3]);
    expect(await opened(anew)).toBe("to the key made anew");
    expect(await opened(lost)).toBe("to the lost key");
  });

  it("may have fewer versions than a device has seen", async () => {
    await rollOver(5);
    await device.join();
    const lost = await secretFor("lost");
    await server.restore(1);
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
    expect(device.currentKeyVersion).toBe(2);
    expect(await opened(lost)).toBe("lost");
    expect(await opened(await secretFor("now"))).toBe("now");
  });

  it("has a history that a device cannot open before it renews", async () => {
    await rollOver(1);
    const old = await secretFor("old");
    await rollOver(2);
    await device.join();
    await server.restore(2);
    await (await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch })).join();
    await expect(device.decrypt(old)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    await device.renew();
    expect(await opened(old)).toBe("old");
  });
});

const stranger = await newAuthorityKey();
const otherPair = await generateDomainKeyPair(1);

/** Changes members of the response. */
const answer = (change: object) => (draft: Draft) => {
  Object.assign(draft.answer, change);
};

describe("a history", () => {
  const SPOILT: Record<string, FakeServer["spoil"]> = {
    "of another domain": { answer: answer({ domain: "attic" }) },
    "of another key": { answer: answer({ keyVersion: 2 }) },
    "without credentials": { answer: answer({ credentials: undefined }) },
    "with sealed keys that are no JWE": { answer: answer({ sealedKeys: "..." }) },
    "signed by a stranger": {
      statements: (draft) => {
        draft.tokenKey = stranger;
      },
    },
    "with the token of another domain": {
      statements: (draft) => {
        draft.statements = draft.statements.map((statement) => ({ ...statement, domain: "attic" }));
      },
    },
    "with the private key of another": {
      answer: ({ privateKeys }) => {
        privateKeys[0] = otherPair.privateJwk;
      },
    },
    "with a private key too few": {
      answer: ({ privateKeys }) => {
        privateKeys.pop();
      },
    },
    "with the key it is sealed to": {
      answer: (draft: Draft) => {
        const [first] = draft.answer.credentials as { keyVersion: number }[];
        (first as { keyVersion: number }).keyVersion = 3;
      },
    },
  };

  it.each(Object.entries(SPOILT))("%s is refused, and nothing of it is kept", async (_, spoil) => {
    await rollOver(1);
    const old = await secretFor("old");
    await rollOver(2);
    await device.join();
    const before = await store.load(FAKE_DOMAIN_URL);
    server.spoil = spoil;
    await expect(device.decrypt(old)).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(await store.load(FAKE_DOMAIN_URL)).toEqual(before);
    server.spoil = {};
    expect(await opened(old)).toBe("old");
  });
});
