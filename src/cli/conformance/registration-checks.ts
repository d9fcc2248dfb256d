import { type Check, expectEqual, expectProblem, expectReply, expectThat, type Reply } from "./expectations.ts";
import type { TestedDomain } from "./tested-domain.ts";
import type { TestedServer } from "./tested-server.ts";

/** A domain with a member and its first key, which checks share. */
export function den(server: TestedServer): Promise<TestedDomain> {
  return server.shared("den", async () => {
    const domain = server.domain();
    await domain.join();
    return domain;
  });
}

/** A domain with keys 1 to 3, which checks share. */
export function oldDomain(server: TestedServer): Promise<TestedDomain> {
  return server.shared("old", async () => {
    const domain = server.domain();
    for (let leaves = 0; leaves < 2; leaves++) await domain.leave((await domain.join()).machineGuid);
    await domain.join();
    return domain;
  });
}

/** The key versions of a response's credentials. */
export function versionsOf({ request, body }: Reply): readonly number[] {
  expectThat(Array.isArray(body.credentials), `credentials of ${request} is not an array`);
  return body.credentials.map((credential: { keyVersion: number } | null) => credential?.keyVersion);
}

async function nameIsDecodedOnce(server: TestedServer) {
  const domain = server.domain("a@b:c~");
  const reply = await domain.register(crypto.randomUUID());
  expectReply(reply, 201, { domain: domain.name });
  expectReply(await server.ask(`/domains/${domain.name}`), 200, { domain: domain.name });
}

async function malformedNamesAreRefused(server: TestedServer) {
  for (const name of ["-x", "x-", "a..b", "a%20b", "a%2541", "x".repeat(129)]) {
    const body = { machineGuid: crypto.randomUUID() };
    expectProblem(await server.ask(`/domains/${name}/register`, { method: "POST", body }), 400, "INVALID_REQUEST");
  }
}

async function unknownDomainIsMade(server: TestedServer) {
  const domain = server.domain();
  expectProblem(await domain.ask(), 404, "DOMAIN_NOT_FOUND");
  await domain.join();
  const defaults = { authenticationRequired: false, authNamespace: null, deviceKeyRequired: false };
  expectReply(await domain.ask(), 200, { domain: domain.name, ...defaults, authorizationServers: [], keyVersion: 1 });
}

async function newMachineJoinsOnce(server: TestedServer) {
  const domain = await den(server);
  const machineGuid = crypto.randomUUID();
  const who = { domain: domain.name, machineGuid };
  expectReply(await domain.register(machineGuid), 201, { ...who, newMember: true });
  expectReply(await domain.register(machineGuid), 200, { ...who, newMember: false });
}

async function guidsAreTakenInEitherCase(server: TestedServer) {
  const domain = await den(server);
  const { machineGuid } = await domain.join();
  const reply = await domain.register(machineGuid.toUpperCase());
  expectReply(reply, 200, { machineGuid, newMember: false });
  const version7 = machineGuid.replace(/^(.{14})4/, "$17");
  expectReply(await domain.register(version7), 201, { machineGuid: version7 });
}

async function malformedBodiesAreRefused(server: TestedServer) {
  const domain = await den(server);
  const machineGuid = crypto.randomUUID();
  const wrong: readonly [string, object][] = [
    ["machineGuid", {}],
    ["machineGuid", { machineGuid: "a-guid" }],
    ["machineGuid", { machineGuid: machineGuid.replace(/^(.{14})4/, "$11") }],
    ["afterKeyVersion", { machineGuid, afterKeyVersion: -1 }],
    ["credentials", { machineGuid, credentials: "some" }],
  ];
  for (const [field, body] of wrong) {
    const reply = await domain.ask("/register", { method: "POST", body });
    const { errors } = expectProblem(reply, 400, "INVALID_REQUEST").body;
    const fields = Array.isArray(errors) ? errors.map((error) => error?.field) : errors;
    expectEqual(`the fields that ${reply.request} names for ${JSON.stringify(body)}`, fields, [field]);
  }
}

async function fullDomainRefusesNewMachines(server: TestedServer) {
  const domain = await server.domainWith({ maxMembership: 1 });
  const { machineGuid } = await domain.join();
  const other = crypto.randomUUID();
  expectProblem(await domain.register(other), 409, "DOM_LIMIT_REACHED", 502);
  expectProblem(await domain.deregister(other), 403, "DEREG_DENIED", 401);
  expectReply(await domain.register(machineGuid), 200, { newMember: false });
}

async function refusalRollsNothingOver(server: TestedServer) {
  const domain = await server.domainWith({ maxMembership: 1 });
  const { machineGuid } = await domain.join();
  expectReply(await domain.operate("/rollover", { method: "POST", body: { when: "next-registration" } }), 200);
  expectProblem(await domain.register(crypto.randomUUID()), 409, "DOM_LIMIT_REACHED", 502);
  expectEqual("currentKeyVersion after the refusal", await domain.currentKeyVersion(), null);
  expectReply(await domain.register(machineGuid), 200, { keyVersion: 2 });
}

async function leavesMakeOneRollover(server: TestedServer) {
  const domain = server.domain();
  const members = [await domain.join(), await domain.join(), await domain.join()] as const;
  for (const { reply } of members) expectReply(reply, 201, { keyVersion: 1 });
  await domain.leave(members[0].machineGuid);
  await domain.leave(members[1].machineGuid);
  const { reply } = await domain.join();
  expectReply(reply, 201, { keyVersion: 2 });
  expectEqual("the versions that a late comer gets", versionsOf(reply), [1, 2]);
  expectReply(await domain.register(members[2].machineGuid), 200, { keyVersion: 2 });
  expectEqual("currentKeyVersion after the rollover", await domain.currentKeyVersion(), 2);
}

async function concurrentJoinsMakeOneRollover(server: TestedServer) {
  const domain = server.domain();
  await domain.leave((await domain.join()).machineGuid);
  const joins = await Promise.all(Array.from({ length: 8 }, () => domain.join()));
  for (const { reply } of joins) expectReply(reply, 201, { keyVersion: 2 });
}

async function eachKeyHasItsCredential(server: TestedServer) {
  const { reply } = await (await oldDomain(server)).join();
  expectReply(reply, 201, { keyVersion: 3 });
  expectEqual("the versions of the credentials", versionsOf(reply), [1, 2, 3]);
  for (const { keyVersion, token, expiresAt, privateKey } of reply.body.credentials) {
    expectThat(typeof token === "string", `the credential of version ${keyVersion} has no token`);
    expectThat(!Number.isNaN(Date.parse(expiresAt)), `the credential of version ${keyVersion} has no expiresAt`);
    expectThat(typeof privateKey?.d === "string", `the credential of version ${keyVersion} has no private key`);
  }
}

async function heldCredentialsAreLeftOut(server: TestedServer) {
  const domain = await oldDomain(server);
  const { machineGuid } = await domain.join();
  for (const [afterKeyVersion, expected] of [
    [0, [1, 2, 3]],
    [2, [3]],
    [3, []],
  ] as const) {
    const reply = expectReply(await domain.register(machineGuid, { afterKeyVersion }), 200, { keyVersion: 3 });
    expectEqual(`the versions after ${afterKeyVersion}`, versionsOf(reply), expected);
  }
}

async function newestCredentialIsGivenAlone(server: TestedServer) {
  const { reply } = await (await oldDomain(server)).join({ credentials: "newest" });
  expectEqual("the versions of the credentials", versionsOf(reply), [3]);
  expectEqual("olderKeyVersions", reply.body.olderKeyVersions, { from: 1, to: 2 });
}

async function credentialsAreNotStored(server: TestedServer) {
  const { reply } = await (await den(server)).join();
  const directives = reply.headers.get("cache-control") ?? "";
  expectThat(/\bno-store\b/.test(directives), `cache-control of a registration is "${directives}", without no-store`);
}

const ADMIN = { needs: ["admin token"] } as const;

/** The registration logic of the reference, step by step, and what the request may ask for. */
export const REGISTRATION: readonly Check[] = [
  { section: "Registration, step 1", rule: "the URL names the domain, decoded once", prove: nameIsDecodedOnce },
  { section: "Registration, step 1", rule: "a malformed name is refused", prove: malformedNamesAreRefused },
  { section: "Registration, step 3", rule: "an unknown domain is made, open", prove: unknownDomainIsMade },
  { section: "Registration, step 5", rule: "a new machine joins once", prove: newMachineJoinsOnce },
  {
    section: "Registration, step 5",
    rule: "a full domain refuses new machines",
    prove: fullDomainRefusesNewMachines,
    ...ADMIN,
  },
  { section: "Registration, step 6", rule: "a refusal rolls nothing over", prove: refusalRollsNothingOver, ...ADMIN },
  { section: "Registration, step 6", rule: "several leaves make one rollover", prove: leavesMakeOneRollover },
  { section: "Registration, step 6", rule: "joins at once make one rollover", prove: concurrentJoinsMakeOneRollover },
  { section: "Registration, step 6", rule: "each key has its credential", prove: eachKeyHasItsCredential },
  { section: "Register", rule: "machine GUIDs are taken in either case", prove: guidsAreTakenInEitherCase },
  { section: "Register", rule: "a malformed body is refused, its field named", prove: malformedBodiesAreRefused },
  { section: "Register", rule: "credentials that are held are left out", prove: heldCredentialsAreLeftOut },
  { section: "Register", rule: "the newest credential may be had alone", prove: newestCredentialIsGivenAlone },
  { section: "Register", rule: "a response with credentials is not stored", prove: credentialsAreNotStored },
];
