import { env } from "cloudflare:workers";
import { base64url, createLocalJWKSet, decodeProtectedHeader, type JWK, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { type Config, configOf } from "../../src/server/config.ts";
import { unwrapPrivateKey, wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { Keyring, type SpareKey } from "../../src/server/object/keyring.ts";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  ORIGIN,
  type Reply,
  register,
  reply,
  rows,
  stored,
} from "../support/worker/client.ts";
import {
  evict,
  execute,
  executeAsBatch,
  gist,
  joins,
  leaves,
  operators,
  setEnvironment,
} from "../support/worker/objects.ts";

const CONFIG = configOf(env);
const KEK = CONFIG.keyEncryptionKeys[0];

// Wraps keys anew where it finds that it has to: here they stay as they are.
beforeEach(() => {
  vi.spyOn(DomainObject.prototype, "alarm").mockResolvedValue();
});
afterEach(() => vi.restoreAllMocks());

function newKek(kid = `kek-${newGuid()}`): JWK {
  return { kty: "oct", alg: "A256GCM", kid, k: base64url.encode(crypto.getRandomValues(new Uint8Array(32))) };
}

/** An environment with these secrets, and otherwise the tests' own. */
type Secrets = Readonly<{ keyEncryptionKeys?: readonly JWK[]; domainAuthorityKeys?: readonly JWK[] }>;

function environmentOf({ keyEncryptionKeys, domainAuthorityKeys }: Secrets): object {
  return {
    ...(keyEncryptionKeys ? { KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: keyEncryptionKeys }) } : {}),
    ...(domainAuthorityKeys ? { DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: domainAuthorityKeys }) } : {}),
  };
}

/** Has a domain's object begin anew with these secrets. It has seen none of the keys yet. */
async function restart(domain: string, secrets: Secrets = {}): Promise<void> {
  await evict(domain);
  await setEnvironment(domain, environmentOf(secrets));
}

/** A domain at key version 2 with one member, made with these secrets. Its object now has the tests' own. */
async function newDomainWithMember(secrets: Secrets = {}) {
  const domain = newDomain();
  const [member, left] = [newGuid(), newGuid()];
  await setEnvironment(domain, environmentOf(secrets));
  for (const command of [joins(member), joins(left), leaves(left), joins(member)]) {
    expect((await execute(domain, command)).granted).toBe(true);
  }
  await restart(domain);
  return { domain, member };
}

/** The wrapped private keys of a domain, version 1 first. */
async function wrappedKeys(domain: string): Promise<string[]> {
  return (await rows(domain)).keys.map((row) => row.wrapped_private_jwk as string);
}

async function putKey(domain: string, keyVersion: number, column: "wrapped_private_jwk" | "public_jwk", text: unknown) {
  const update = `update domain_keys set ${column} = ? where key_version = ? returning key_version`;
  expect(await stored(domain, update, text as string, keyVersion)).toHaveLength(1);
}

function decoded(part: string | undefined): string {
  return new TextDecoder().decode(base64url.decode(part ?? ""));
}

function keyVersions({ body }: Reply): number[] {
  return body.credentials.map(({ keyVersion }: { keyVersion: number }) => keyVersion);
}

describe("a private key at rest", () => {
  it("is a compact JWE that says under which key it rests, and whose it is", async () => {
    const { domain } = await newDomainWithMember();
    for (const [index, wrapped] of (await wrappedKeys(domain)).entries()) {
      const [header, encryptedKey, iv, ciphertext, tag, ...more] = wrapped.split(".");
      expect(JSON.parse(decoded(header))).toEqual({
        alg: "dir",
        enc: "A256GCM",
        kid: KEK.kid,
        domain,
        key_version: index + 1,
      });
      expect(encryptedKey).toBe("");
      expect(base64url.decode(iv ?? "")).toHaveLength(12);
      expect(base64url.decode(tag ?? "")).toHaveLength(16);
      expect(decoded(ciphertext)).not.toContain("kty");
      expect(more).toEqual([]);
    }
  });

  it("is nowhere in storage in plain", async () => {
    const domain = newDomain();
    const { body } = await register(domain, newGuid());
    const { d } = body.credentials[0].privateKey;
    const tables = ["domain_requests", "copy_outbox", "progress"];
    const others = await Promise.all(tables.map((table) => stored(domain, `select * from ${table}`)));
    const everything = JSON.stringify([await rows(domain), others]);
    expect(everything).toContain(body.credentials[0].privateKey.x);
    expect(everything).not.toContain(d);
    expect(everything).not.toMatch(/\\"d\\"/);
    // Nor does anything of it show in a JWE's parts, which are Base64 of what they hold.
    for (const part of (await wrappedKeys(domain)).flatMap((wrapped) => wrapped.split("."))) {
      expect(decoded(part)).not.toContain(d);
    }
  });

  it("shares its initialization vector with no other", async () => {
    const domains = await Promise.all(Array.from({ length: 20 }, () => newDomainWithMember()));
    const wrapped = (await Promise.all(domains.map(({ domain }) => wrappedKeys(domain)))).flat();
    expect(new Set(wrapped.map((each) => each.split(".")[2])).size).toBe(40);
  });
});

describe("a private key that does not open", () => {
  let errors: MockInstance | undefined;
  afterEach(() => errors?.mockRestore());

  /** The lines about failures in the log. */
  const logged = () => (errors?.mock.calls.flat() ?? []) as string[];

  /** The fault of a domain, how it comes about, and the sentence for the operator. */
  const FAULTS: [string, (domain: string) => Promise<void>, RegExp, Secrets?][] = [
    [
      "because the rows of two versions are swapped",
      async (domain) => {
        const [first, second] = await wrappedKeys(domain);
        await putKey(domain, 1, "wrapped_private_jwk", second);
        await putKey(domain, 2, "wrapped_private_jwk", first);
      },
      /the row of key [12] of domain \S+ holds another key/,
    ],
    [
      "because the row is that of another domain",
      async (domain) => {
        const other = await newDomainWithMember();
        await putKey(domain, 2, "wrapped_private_jwk", (await wrappedKeys(other.domain))[1]);
      },
      /the row of key 2 of domain \S+ holds another key/,
    ],
    [
      "because the row is that of another domain, its public half as well",
      async (domain) => {
        const other = await rows((await newDomainWithMember()).domain);
        await putKey(domain, 2, "wrapped_private_jwk", other.keys[1]?.wrapped_private_jwk);
        await putKey(domain, 2, "public_jwk", other.keys[1]?.public_jwk);
      },
      /the row of key 2 of domain \S+ holds another key/,
    ],
    [
      "because the row is that of another domain, its header made to fit",
      async (domain) => {
        const other = await newDomainWithMember();
        const [header, ...parts] = ((await wrappedKeys(other.domain))[1] as string).split(".");
        const forged = base64url.encode(decoded(header).replace(other.domain, domain));
        await putKey(domain, 2, "wrapped_private_jwk", [forged, ...parts].join("."));
      },
      /key 2 of domain \S+ does not open/,
    ],
    [
      "because its public half is that of another key",
      async (domain) => {
        const other = await rows((await newDomainWithMember()).domain);
        await putKey(domain, 2, "public_jwk", other.keys[1]?.public_jwk);
      },
      /the public half of key 2 of domain \S+ is another key's/,
    ],
    [
      "because one character of it has changed",
      async (domain) => {
        const parts = ((await wrappedKeys(domain))[1] as string).split(".");
        parts[3] = parts[3]?.startsWith("A") ? parts[3].replace("A", "B") : `A${parts[3]?.slice(1)}`;
        await putKey(domain, 2, "wrapped_private_jwk", parts.join("."));
      },
      /key 2 of domain \S+ does not open/,
    ],
    [
      "because its row holds something else",
      (domain) => putKey(domain, 2, "wrapped_private_jwk", "garbage"),
      /the row of key 2 of domain \S+ does not hold a JWE/,
    ],
    [
      "because its row is empty",
      (domain) => putKey(domain, 2, "wrapped_private_jwk", ""),
      /the row of key 2 of domain \S+ does not hold a JWE/,
    ],
    [
      "because its row holds a key that nobody wrapped",
      (domain) => putKey(domain, 2, "wrapped_private_jwk", '{"kty":"EC","crv":"P-256","x":"","y":"","d":""}'),
      /the row of key 2 of domain \S+ does not hold a JWE/,
    ],
    [
      "because its key-encryption key is gone",
      async () => {},
      /was wrapped with "the-lost-one", which is not in KEY_ENCRYPTION_KEYS/,
      { keyEncryptionKeys: [newKek("the-lost-one")] },
    ],
    [
      "because its key-encryption key is another under the same kid",
      async () => {},
      new RegExp(`does not open: "${KEK.kid}" in KEY_ENCRYPTION_KEYS is not its key`),
      { keyEncryptionKeys: [newKek(KEK.kid)] },
    ],
  ];

  describe.each(FAULTS)("%s", (_, breakIt, reason, secrets) => {
    async function newBrokenDomain() {
      const made = await newDomainWithMember(secrets);
      await breakIt(made.domain);
      errors = vi.spyOn(console, "error").mockImplementation(() => {});
      return made;
    }

    it("lets no registration have it: an error, no change, and the reason in the log", async () => {
      const { domain, member } = await newBrokenDomain();
      const before = await rows(domain);
      for (const guid of [newGuid(), member]) {
        const answer = await register(domain, guid);
        expect(answer.status).toBe(500);
        expect(answer.body).toMatchObject({ error: "INTERNAL_ERROR", title: "Internal error" });
        expect(JSON.stringify(answer.body)).not.toMatch(/wrap|JWE|kek|ENCRYPTION|key \d/i);
      }
      expect(await rows(domain)).toEqual(before);
      expect(logged()).toHaveLength(2);
      for (const line of logged()) {
        expect(JSON.parse(line).error).toMatch(/^KeyWrappingError: /);
        expect(JSON.parse(line).error).toMatch(reason);
        for (const { k } of [KEK, ...(secrets?.keyEncryptionKeys ?? [])]) expect(line).not.toContain(k);
        expect(line).not.toContain(member);
      }
    });

    it("makes no new key in its place, although a rollover is due", async () => {
      const { domain, member } = await newBrokenDomain();
      expect((await deregister(domain, member)).status).toBe(200);
      const before = await rows(domain);
      expect(before.info?.key_rollover_required).toBe(1);
      expect((await register(domain, newGuid())).status).toBe(500);
      expect(await rows(domain)).toEqual(before);
      expect(await invariantViolations(domain)).toEqual([]);
    });

    it("keeps nobody from leaving, and serves who does not need it", async () => {
      const { domain, member } = await newBrokenDomain();
      expect((await register(domain, member, { afterKeyVersion: 2 })).body).toMatchObject({ credentials: [] });
      expect((await deregister(domain, member, { preview: true })).status).toBe(200);
      expect((await deregister(domain, member)).status).toBe(200);
      const back = await register(domain, member, { afterKeyVersion: 2 });
      expect(back.body).toMatchObject({ newMember: true, keyVersion: 3 });
      expect(keyVersions(back)).toEqual([3]);
      expect(logged()).toEqual([]);
      expect(await invariantViolations(domain)).toEqual([]);
    });
  });

  it("opens as soon as its row is mended, without a restart", async () => {
    const { domain, member } = await newDomainWithMember();
    const [wrapped] = await wrappedKeys(domain);
    await putKey(domain, 1, "wrapped_private_jwk", "garbage");
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    expect((await register(domain, member)).status).toBe(500);
    await putKey(domain, 1, "wrapped_private_jwk", wrapped);
    expect(keyVersions(await register(domain, member))).toEqual([1, 2]);
  });

  it("concerns the requests that need it alone, even within one batch", async () => {
    const { domain, member } = await newDomainWithMember();
    const newcomer = newGuid();
    await execute(domain, operators({ type: "retire", upTo: 1 }));
    expect((await register(domain, member)).status).toBe(200);
    await putKey(domain, 1, "wrapped_private_jwk", "garbage");
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    // When the joins are decided, the batch has brought the first key back.
    const [, ...outcomes] = await executeAsBatch(
      domain,
      operators({ type: "settings", mode: "merge", patch: { maxMembership: 9 } }),
      operators({ type: "retire", upTo: 0 }),
      joins(newGuid()),
      joins(newcomer, { afterKeyVersion: 1 }),
      leaves(member),
      joins(newGuid()),
    );
    expect(outcomes.map(gist)).toMatchObject([
      { retiredUpTo: 0 },
      "INTERNAL_ERROR",
      { newMember: true, credentialsAfter: 1, keyVersion: 2 },
      { deregistered: true },
      "INTERNAL_ERROR",
    ]);
    const { members, log } = await rows(domain);
    expect(members.map((row) => row.machine_guid)).toEqual([newcomer]);
    expect(JSON.parse(log.at(-1)?.changes as string).map(({ type }: { type: string }) => type)).toEqual([
      "keys-retired",
      "device-joined",
      "device-left",
    ]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("concerns the requests that need it alone, even if one takes the place that another must give up", async () => {
    const { domain, member } = await newDomainWithMember();
    await execute(domain, operators({ type: "retire", upTo: 1 }));
    expect((await register(domain, member)).status).toBe(200);
    await putKey(domain, 1, "wrapped_private_jwk", "garbage");
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    // The first would fill the domain; since it cannot be answered, the second finds room, and needs the key as well.
    const [, ...outcomes] = await executeAsBatch(
      domain,
      operators({ type: "settings", mode: "merge", patch: { maxMembership: 2 } }),
      operators({ type: "retire", upTo: 0 }),
      joins(newGuid()),
      joins(newGuid()),
      leaves(member),
    );
    expect(outcomes.map(gist)).toMatchObject([
      { retiredUpTo: 0 },
      "INTERNAL_ERROR",
      "INTERNAL_ERROR",
      { deregistered: true },
    ]);
    expect((await rows(domain)).members).toEqual([]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("fails none of hundreds of renewals at the same time that do not need it", async () => {
    const { domain, member } = await newDomainWithMember();
    const others = Array.from({ length: 200 }, newGuid);
    // In groups that no queue refuses, however slow the machine.
    for (let from = 0; from < others.length; from += 25) {
      await Promise.all(others.slice(from, from + 25).map((guid) => register(domain, guid, { afterKeyVersion: 2 })));
    }
    await restart(domain);
    await putKey(domain, 1, "wrapped_private_jwk", "garbage");
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const renewals = [...others, ...others, ...others].map((guid, index) => {
      const needsIt = index % 6 === 0;
      return { needsIt, answer: register(domain, needsIt ? member : guid, { afterKeyVersion: needsIt ? 0 : 1 }) };
    });
    for (const { needsIt, answer } of renewals) {
      const reply = await answer;
      expect(reply.status).toBe(needsIt ? 500 : 200);
      if (!needsIt) expect(keyVersions(reply)).toEqual([2]);
    }
    expect(logged()).toHaveLength(100);
    expect(await invariantViolations(domain)).toEqual([]);
  });
});

describe("an object that begins anew", () => {
  /** Puts so many key versions before those of a domain that are there, none of which opens. */
  async function putBefore(domain: string, count: number): Promise<void> {
    const keys = (await rows(domain)).keys;
    await stored(domain, "delete from domain_keys");
    await stored(
      domain,
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)
        insert into domain_keys select n, '{}', 'garbage', 'a-key', 0 from numbers`,
      count,
    );
    for (const { key_version, ...key } of keys) {
      const wrapped = key.wrapped_private_jwk as string;
      const [place, version] = [{ domain, keyVersion: key_version as number }, (key_version as number) + count];
      const privateJwk = await unwrapPrivateKey(wrapped, place, [KEK]);
      const moved = await wrapPrivateKey(privateJwk, { domain, keyVersion: version }, [KEK]);
      await stored(
        domain,
        "insert into domain_keys values (?, ?, ?, ?, 0)",
        version,
        key.public_jwk as string,
        moved,
        KEK.kid as string,
      );
    }
    const set = "key_version = key_version + ?1, retired_up_to = ?1";
    await stored(domain, `update domain_server_info set ${set}`, count);
    await restart(domain);
  }

  it("answers renewals and joins without loading the keys that are retired, of which it has thousands", async () => {
    const { domain, member } = await newDomainWithMember();
    await putBefore(domain, 9_998);
    const read = vi.spyOn(DomainStorage.prototype, "keys");
    const opened = vi.spyOn(Keyring.prototype, "open");
    expect(keyVersions(await register(domain, member))).toEqual([9_999, 10_000]);
    expect(keyVersions(await register(domain, newGuid()))).toEqual([9_999, 10_000]);
    expect(keyVersions(await register(domain, member, { afterKeyVersion: 9_999 }))).toEqual([10_000]);
    const loaded = read.mock.results.flatMap(({ value }) => value as { keyVersion: number }[]);
    expect(loaded.map(({ keyVersion }) => keyVersion)).toEqual([9_999, 10_000]);
    expect(opened).toHaveBeenCalledTimes(1);
    expect((await deregister(domain, member)).status).toBe(200);
    expect((await register(domain, newGuid())).body.keyVersion).toBe(10_001);
  });

  it("reads no key at all for a device that holds them, or for one that leaves", async () => {
    const { domain, member } = await newDomainWithMember();
    const read = vi.spyOn(DomainStorage.prototype, "keys");
    expect((await register(domain, member, { afterKeyVersion: 2 })).body.credentials).toEqual([]);
    expect((await deregister(domain, member)).status).toBe(200);
    expect(read).not.toHaveBeenCalled();
  });
});

describe("a new key-encryption key put in front", () => {
  const [old, fresh] = [newKek("old"), newKek("fresh")];

  it("wraps what is made from then on, while the old one still opens what it wrapped", async () => {
    const { domain, member } = await newDomainWithMember({ keyEncryptionKeys: [old] });
    const before = await wrappedKeys(domain);
    await restart(domain, { keyEncryptionKeys: [fresh, old] });
    await deregister(domain, member);
    expect(keyVersions(await register(domain, member))).toEqual([1, 2, 3]);

    const after = await wrappedKeys(domain);
    expect(after.slice(0, 2)).toEqual(before);
    expect(after.map((wrapped) => decodeProtectedHeader(wrapped).kid)).toEqual(["old", "old", "fresh"]);
    expect((await rows(domain)).keys.map((row) => row.key_encryption_kid)).toEqual(["old", "old", "fresh"]);
  });

  it("opens the same private keys as before", async () => {
    const { domain, member } = await newDomainWithMember({ keyEncryptionKeys: [old] });
    const privateKeys = async (...keyEncryptionKeys: JWK[]) => {
      await restart(domain, { keyEncryptionKeys });
      const { body } = await register(domain, member);
      return body.credentials.map(({ privateKey }: { privateKey: JWK }) => privateKey);
    };
    const before = await privateKeys(old);
    expect(before).toHaveLength(2);
    expect(await privateKeys(fresh, old)).toEqual(before);
  });

  it("does not replace the old one: without it, only what came later opens", async () => {
    const { domain, member } = await newDomainWithMember({ keyEncryptionKeys: [old] });
    await restart(domain, { keyEncryptionKeys: [fresh, old] });
    await deregister(domain, member);
    expect((await register(domain, member)).body.keyVersion).toBe(3);
    await restart(domain, { keyEncryptionKeys: [fresh] });
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    expect((await register(domain, member)).status).toBe(500);
    expect(errors.mock.calls.join()).toMatch(/KeyWrappingError: key [12] of domain \S+ was wrapped with \\"old\\"/);
    const latest = await register(domain, member, { afterKeyVersion: 2 });
    expect(latest.body).toMatchObject({ newMember: false, keyVersion: 3 });
    expect(keyVersions(latest)).toEqual([3]);
  });
});

describe("a domain token", () => {
  const THIRTY_DAYS = 30 * 24 * 60 * 60;

  /** Checks a token as a licence server does: with the keys that the domain authority publishes. */
  async function verified(token: string) {
    const { body } = await reply("GET", "/.well-known/jwks.json");
    return jwtVerify(token, createLocalJWKSet(body), {
      algorithms: ["ES256"],
      typ: "domain-token+jwt",
      issuer: ORIGIN,
      requiredClaims: ["sub", "key_version", "cnf", "iat", "exp"],
    });
  }

  it("states that a public key is the domain's in one version, and nothing else", async () => {
    const { domain, member } = await newDomainWithMember();
    const { body } = await register(domain, member);
    const { keys } = (await reply("GET", `/domains/${domain}/keys`)).body;
    expect(body.credentials).toHaveLength(2);
    for (const [index, { keyVersion, token, expiresAt }] of body.credentials.entries()) {
      const { payload, protectedHeader } = await verified(token);
      expect(protectedHeader).toEqual({
        alg: "ES256",
        typ: "domain-token+jwt",
        kid: CONFIG.domainAuthorityKeys[0]?.kid,
      });
      const { kty, crv, x, y } = keys[index];
      // To the letter: there is no claim that could name a device, and no private member in the key.
      expect(payload).toEqual({
        iss: ORIGIN,
        sub: domain,
        key_version: keyVersion,
        cnf: { jwk: { kty, crv, x, y } },
        iat: expect.any(Number),
        exp: (payload.iat as number) + THIRTY_DAYS,
      });
      expect(expiresAt).toBe(new Date((payload.exp as number) * 1000).toISOString());
    }
  });

  it("is the same for every member, and for a while", async () => {
    const domain = newDomain();
    const [one, other] = [newGuid(), newGuid()];
    const answers = [await register(domain, one), await register(domain, other), await register(domain, one)];
    const statements = await Promise.all(
      answers.map(async ({ body }) => (await verified(body.credentials[0].token)).payload),
    );
    for (const { iss, sub, key_version, cnf } of statements) {
      expect({ iss, sub, key_version, cnf }).toEqual({
        iss: ORIGIN,
        sub: domain,
        key_version: 1,
        cnf: statements[0]?.cnf,
      });
    }
    expect(new Set(answers.map(({ body }) => body.credentials[0].token)).size).toBe(1);
  });

  it("does not change when the settings do", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const { body } = await register(domain, guid);
    await configure(domain, { maxMembership: 5 });
    expect((await register(domain, guid)).body.credentials).toEqual(body.credentials);
  });

  describe("is handed out again", () => {
    const NOW = Date.UTC(2026, 0, 1);
    const MINUTE = 60_000;

    /** Gives the token of a new domain's first key at a time of the test's choosing. */
    async function newTokens(config: Partial<Config> = {}) {
      const keyring = new Keyring({ name: newDomain() } as DomainStorage, { ...CONFIG, ...config });
      await keyring.prepare(1);
      keyring.addCommitted([keyring.spare(1) as SpareKey]);
      const range = { after: 0, upTo: 1 };
      return async (now: number, issuer = ORIGIN) => {
        const text = keyring.freshCredentials(range, issuer, now) ?? (await keyring.credentials(range, issuer, now));
        const [{ token, expiresAt }] = JSON.parse(text);
        return { token: token as string, expiresAt: Date.parse(expiresAt) };
      };
    }

    it("for minutes, and then signed afresh", async () => {
      const token = await newTokens();
      const first = await token(NOW);
      expect(first.expiresAt).toBe(NOW + THIRTY_DAYS * 1000);
      expect(await token(NOW + MINUTE)).toMatchObject(first);
      expect(await token(NOW + 5 * MINUTE)).toMatchObject(first);
      const later = await token(NOW + 60 * MINUTE);
      expect(later.expiresAt).toBe(first.expiresAt + 60 * MINUTE);
      expect(later.token).not.toBe(first.token);
    });

    it("never for as long as it lives: a short-lived one stays fresh", async () => {
      const token = await newTokens({ domainTokenLifetimeSeconds: 60 });
      const first = await token(NOW);
      expect(first.expiresAt).toBe(NOW + MINUTE);
      expect((await token(NOW + MINUTE / 2)).expiresAt).toBe(first.expiresAt + MINUTE / 2);
    });

    it("never under another issuer's name, nor after the clock was set back by much", async () => {
      const token = await newTokens();
      const first = await token(NOW);
      expect((await token(NOW, "https://elsewhere.example")).token).not.toBe(first.token);
      expect((await token(NOW - 60 * MINUTE)).expiresAt).toBe(first.expiresAt - 60 * MINUTE);
    });
  });

  it("is signed with the first of the authority's keys", async () => {
    const first = { ...(CONFIG.domainAuthorityKeys[0] as JWK), kid: "first" };
    const { domain, member } = await newDomainWithMember();
    await restart(domain, { domainAuthorityKeys: [first, ...CONFIG.domainAuthorityKeys] });
    const { credentials } = (await register(domain, member)).body;
    expect(credentials.map(({ token }: { token: string }) => decodeProtectedHeader(token).kid)).toEqual([
      "first",
      "first",
    ]);
  });
});
