import { calculateJwkThumbprint, compactDecrypt, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import {
  type Check,
  Deviation,
  expectEqual,
  expectProblem,
  expectReply,
  expectThat,
  type Members,
  type Reply,
} from "./expectations.ts";
import { den, oldDomain, versionsOf } from "./registration-checks.ts";
import type { TestedServer } from "./tested-server.ts";

/** A private key of a domain. */
type DomainKey = JWK & Readonly<{ key_version: number }>;

/** The members of a JWK that say which public key it is. */
function publicKeyOf({ kty, crv, x, y }: JWK = {}): JWK {
  return { kty, crv, x, y } as JWK;
}

/** The private keys of a response that are sealed to a key, by their versions. */
async function opened({ request, body }: Reply, privateKey: CryptoKey | Uint8Array) {
  expectThat(
    body.credentials.every((each: object) => !("privateKey" in each)),
    `${request} shows a private key`,
  );
  const { plaintext, protectedHeader } = await compactDecrypt(String(body.sealedKeys), privateKey).catch((error) => {
    throw new Deviation(`sealedKeys of ${request} does not open: ${error.message}`);
  });
  const { alg, enc, cty } = protectedHeader;
  const expected = { alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json" };
  expectEqual(`the header of sealedKeys of ${request}`, { alg, enc, cty }, expected);
  const { keys } = JSON.parse(new TextDecoder().decode(plaintext)) as { keys: DomainKey[] };
  return keys;
}

async function keysAreSealed(server: TestedServer) {
  const domain = await oldDomain(server);
  const { reply: plain } = await domain.join();
  for (const crv of ["P-256", "X25519"]) {
    const { publicKey, privateKey } = await generateKeyPair("ECDH-ES+A256KW", { crv, extractable: true });
    const { reply } = await domain.join({ encryptionKey: await exportJWK(publicKey) });
    const expected = plain.body.credentials.map((each: Members) => each.privateKey.d);
    expectEqual(
      `the keys sealed to ${crv}`,
      (await opened(reply, privateKey)).map(({ d }) => d),
      expected,
    );
  }
}

async function nothingIsSealedToPrivateKeys(server: TestedServer) {
  const { privateKey } = await generateKeyPair("ECDH-ES+A256KW", { extractable: true });
  const reply = await (await den(server)).register(crypto.randomUUID(), { encryptionKey: await exportJWK(privateKey) });
  expectProblem(reply, 400, "INVALID_REQUEST");
}

async function keyIsNamedByItsThumbprint(server: TestedServer) {
  const { reply } = await (await oldDomain(server)).join();
  for (const { keyVersion, privateKey } of reply.body.credentials) {
    expectEqual(`kid of key ${keyVersion}`, privateKey.kid, await calculateJwkThumbprint(privateKey));
    expectEqual(`key_version of key ${keyVersion}`, privateKey.key_version, keyVersion);
  }
}

async function tokenStatesTheKey(server: TestedServer) {
  const domain = await oldDomain(server);
  const { reply } = await domain.join();
  for (const { keyVersion, token, expiresAt, privateKey } of reply.body.credentials) {
    const { sub, key_version, cnf, iat = 0, exp = 0 } = await server.stated(token, "domain-token+jwt");
    const stated = { sub, key_version, key: publicKeyOf((cnf as Members | undefined)?.jwk) };
    const expected = { sub: domain.name, key_version: keyVersion, key: publicKeyOf(privateKey) };
    expectEqual(`what the token of key ${keyVersion} states`, stated, expected);
    expectEqual("expiresAt, in seconds,", Date.parse(expiresAt) / 1000, exp);
    expectThat(iat < exp, "the token expires before it is issued");
  }
}

async function tokenNamesNoDevice(server: TestedServer) {
  const domain = await den(server);
  for (const { machineGuid, reply } of [await domain.join(), await domain.join()]) {
    const claims = await server.stated(reply.body.credentials[0]?.token, "domain-token+jwt");
    expectThat(!JSON.stringify(claims).includes(machineGuid), "a domain token names the device");
    expectEqual("the claims of a domain token", Object.keys(claims).sort(), CLAIMS);
  }
}

const CLAIMS = ["cnf", "exp", "iat", "iss", "key_version", "sub"];

async function historyOpensWithTheNewerKey(server: TestedServer) {
  const domain = await oldDomain(server);
  const { reply } = await domain.join();
  const [first, second, third] = reply.body.credentials.map((each: Members) => each.privateKey) as [
    DomainKey,
    DomainKey,
    DomainKey,
  ];
  for (const [path, opener, expected] of [
    ["/keys/3/history", third, [first, second]],
    ["/keys/3/history?before=2", third, [first]],
    ["/keys/2/history", second, [first]],
  ] as const) {
    const page = expectReply(await domain.ask(path), 200, { domain: domain.name, keyVersion: opener.key_version });
    const keys = await opened(page, (await importJWK(opener, "ECDH-ES+A256KW")) as CryptoKey);
    expectEqual(
      `the keys of ${path}`,
      keys.map(({ d }) => d),
      expected.map(({ d }) => d),
    );
    expectEqual(
      `the versions of ${path}`,
      versionsOf(page),
      expected.map(({ key_version }) => key_version),
    );
    for (const { token } of page.body.credentials) await server.stated(token, "domain-token+jwt");
  }
}

async function historyHasBounds(server: TestedServer) {
  const domain = await oldDomain(server);
  expectProblem(await domain.ask("/keys/4/history"), 404, "NOT_FOUND");
  expectProblem(await domain.ask("/keys/2/history?before=3"), 400, "INVALID_REQUEST");
}

async function keySetIsPublic(server: TestedServer) {
  const domain = await oldDomain(server);
  const { body } = expectReply(await domain.ask("/keys"), 200, { currentKeyVersion: 3 });
  expectThat(Array.isArray(body.keys), "the key set has no keys");
  expectEqual(
    "the versions of the key set",
    body.keys.map((key: Members) => key?.key_version),
    [1, 2, 3],
  );
  for (const key of body.keys) {
    expectThat(!("d" in key), "the key set shows a private key");
    expectEqual(`kid of key ${key.key_version}`, key.kid, await calculateJwkThumbprint(key));
  }
  const { body: one } = expectReply(await domain.ask("/keys?version=2"), 200);
  expectEqual("the keys of ?version=2", one.keys, [body.keys[1]]);
  expectProblem(await domain.ask("/keys?version=9"), 404, "NOT_FOUND");
}

async function keySetIsStated(server: TestedServer) {
  const domain = await oldDomain(server);
  const { body } = expectReply(await domain.ask("/keys"), 200);
  const claims = await server.stated(body.statement, "domain-key-statement+jwt");
  const { sub, key_version, cnf, revision, iat = 0, exp = 0 } = claims;
  const stated = { sub, key_version, key: publicKeyOf((cnf as Members | undefined)?.jwk) };
  const expected = { sub: domain.name, key_version: 3, key: publicKeyOf(body.keys?.at(-1)) };
  expectEqual("what the statement says", stated, expected);
  expectThat(Number.isSafeInteger(revision), "the statement has no revision");
  expectEqual("the seconds that the statement holds", exp - iat, 300);
}

async function keySetIsRevalidated(server: TestedServer) {
  const domain = await den(server);
  const { headers } = expectReply(await domain.ask("/keys"), 200);
  const directives = headers.get("cache-control") ?? "";
  expectThat(/\bno-cache\b/.test(directives), `cache-control of the key set is "${directives}", without no-cache`);
  // The statement is renewed each minute, and the entity tag with it: one of two tries is within a minute.
  const statuses = [await revalidated(), await revalidated()];
  expectThat(statuses.includes(304), `the status with If-None-Match is ${statuses[0]}, and not 304`);

  async function revalidated(): Promise<number> {
    const { headers } = await domain.ask("/keys");
    return (await domain.ask("/keys", { headers: { "if-none-match": headers.get("etag") ?? "" } })).status;
  }
}

async function leaveShowsAtOnce(server: TestedServer) {
  const domain = server.domain();
  const [leaving] = [await domain.join(), await domain.join()];
  const { headers, body } = expectReply(await domain.ask("/keys"), 200, { currentKeyVersion: 1 });
  const before = await server.stated(body.statement, "domain-key-statement+jwt");
  await domain.leave(leaving.machineGuid);
  const etag = { "if-none-match": headers.get("etag") ?? "" };
  const reply = expectReply(await domain.ask("/keys", { headers: etag }), 200, { currentKeyVersion: null });
  const after = await server.stated(reply.body.statement, "domain-key-statement+jwt");
  expectEqual("key_version of the statement", after.key_version, null);
  expectThat(!("cnf" in after), "the statement names a key while a rollover is due");
  expectThat(Number(after.revision) > Number(before.revision), "the revision of the statement did not rise");
}

async function anybodyCarriesOutDueRollovers(server: TestedServer) {
  const domain = server.domain();
  await domain.leave((await domain.join()).machineGuid);
  for (const expected of [2, 2]) {
    const reply = await domain.ask("/rollover", { method: "POST" });
    expectReply(reply, 200, { domain: domain.name, keyVersion: expected });
  }
  expectEqual("currentKeyVersion after the rollover", await domain.currentKeyVersion(), 2);
  expectProblem(await server.domain().ask("/rollover", { method: "POST" }), 404, "DOMAIN_NOT_FOUND");
}

async function readsMakeNoDomain(server: TestedServer) {
  const domain = server.domain();
  for (const path of ["", "/keys", "/keys/1/history", ""]) {
    expectProblem(await domain.ask(path), 404, "DOMAIN_NOT_FOUND");
  }
}

async function authorityKeysArePublic(server: TestedServer) {
  const { body } = expectReply(await server.ask("/.well-known/jwks.json"), 200);
  expectThat(Array.isArray(body.keys) && body.keys.length > 0, "the domain authority has no keys");
  for (const key of body.keys) {
    expectThat(!("d" in key), "the domain authority shows a private key");
    expectEqual("the members kty and crv of the authority's key", [key.kty, key.crv], ["EC", "P-256"]);
    expectThat(typeof key.kid === "string", "a key of the domain authority has no kid");
  }
}

async function serverIsWell(server: TestedServer) {
  expectReply(await server.ask("/health"), 200, { status: "ok" });
}

/** The domain's keys, as devices and licence servers have them. */
export const KEYS: readonly Check[] = [
  { section: "Register", rule: "private keys are sealed to the device", prove: keysAreSealed },
  { section: "Register", rule: "nothing is sealed to a private key", prove: nothingIsSealedToPrivateKeys },
  { section: "Register", rule: "a key's kid is its thumbprint", prove: keyIsNamedByItsThumbprint },
  { section: "Domain token", rule: "it states the key that comes with it", prove: tokenStatesTheKey },
  { section: "Domain token", rule: "it names no device", prove: tokenNamesNoDevice },
  { section: "History", rule: "it opens with the newer key", prove: historyOpensWithTheNewerKey },
  { section: "History", rule: "it ends where the keys end", prove: historyHasBounds },
  { section: "Reads", rule: "the key set has public keys alone", prove: keySetIsPublic },
  { section: "Reads", rule: "the key set is signed for five minutes", prove: keySetIsStated },
  { section: "Reads", rule: "the key set is revalidated", prove: keySetIsRevalidated },
  { section: "Reads", rule: "a leave shows at once", prove: leaveShowsAtOnce },
  { section: "Reads", rule: "anybody carries out a due rollover", prove: anybodyCarriesOutDueRollovers },
  { section: "Reads", rule: "reading makes no domain", prove: readsMakeNoDomain },
  { section: "Reads", rule: "the authority's keys are public", prove: authorityKeysArePublic },
  { section: "Reads", rule: "the server is well", prove: serverIsWell },
];
