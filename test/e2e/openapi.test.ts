import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { newKeyEncryptionKey } from "../../scripts/local-secrets.ts";
import { freePort } from "../../scripts/ports.ts";
import { sealDeviceName } from "../../src/server/crypto/device-names.ts";
import { wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import { newDevice, sign } from "../support/devices.ts";
import { mintToken, newTestIssuers, TEST_AUDIENCE } from "../support/issuers.ts";
import type { Answer, Contract, Operation } from "../support/node/contract.ts";
import { bearer, ContractClient, GUID, kind, type Request } from "../support/node/contract-client.ts";
import { describeKeyOperations } from "../support/node/key-operations.ts";
import { describeOwnerOperations, newOwnedDomain, OWNER } from "../support/node/owner-operations.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const UNREACHABLE = "https://unreachable.example";
/** Answers that a server that is well does not give. The examples of it are made by the code that answers it. */
const ONLY_WHEN_FAILING = ["OVERLOADED", "TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR"];
/** Answers that come only where another operator lifts the ban at the same moment. */
const ONLY_IN_A_RACE = "banDevice 404 NOT_FOUND";

/** A key-encryption key that a newer one has replaced. */
const FORMER_KEY = newKeyEncryptionKey();

let server: TestServer;
let api: ContractClient;
let contract: Contract;
let keys: Awaited<ReturnType<typeof newTestIssuers>>["keys"];
let owner: Record<string, string>;
/** The token of a subject that has a domain of its own. */
let householder: Record<string, string>;

beforeAll(async () => {
  const issuers = await newTestIssuers();
  keys = issuers.keys;
  owner = bearer(await mintToken("studio", keys.studio, { expires: 3_600, claims: { sub: OWNER } }));
  householder = bearer(await mintToken("office", keys.office, { expires: 3_600, claims: { sub: OWNER } }));
  const [studio, arcade, office] = issuers.trusted;
  server = await startServer({
    addressLimit: 3,
    secrets: { KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: [newKeyEncryptionKey(), FORMER_KEY] }) },
    vars: {
      DOMAIN_CREATION: "operators",
      TRUSTED_ISSUERS: JSON.stringify([
        studio,
        { ...arcade, operatorScopes: ["domains:read", "domains:write", "domains:evict", "metrics:read"] },
        { ...office, operatorScopes: [], domains: { name: "home:{sub}" }, signIn: { clientId: "devices-page" } },
        {
          namespace: "unreachable",
          issuer: UNREACHABLE,
          audience: TEST_AUDIENCE,
          jwksUri: `http://127.0.0.1:${await freePort()}/jwks`,
        },
      ]),
    },
  });
  api = await ContractClient.of(server);
  contract = api.contract;
});

afterAll(() => server?.stop());

const ask = (...args: Parameters<ContractClient["ask"]>) => api.ask(...args);
const expectAnswer = (...args: Parameters<ContractClient["expectAnswer"]>) => api.expectAnswer(...args);
const admin = (request: Request) => api.admin(request);
const asOwner = (request: Request) => ({ ...request, headers: { ...request.headers, ...owner } });
const asHouseholder = (request: Request) => ({ ...request, headers: { ...request.headers, ...householder } });
const newDomain = () => api.newDomain();
const createdDomain = (settings?: object) => api.createdDomain(settings);
const newMemberDomain = () => api.newMemberDomain();
const urlOf: ContractClient["urlOf"] = (...args) => api.urlOf(...args);

describeKeyOperations(() => api);
describeOwnerOperations(() => ({ api, asOwner, asHouseholder }));

describe("devices", () => {
  it("join, renew and leave", async () => {
    const path = { domain: await createdDomain() };
    await expectAnswer(201, null, "register", { path, body: { machineGuid: GUID } });
    await expectAnswer(200, null, "register", { path, body: { machineGuid: GUID, afterKeyVersion: 1 } });
    await expectAnswer(200, null, "deregister", { path, body: { machineGuid: GUID, preview: true } });
    const leave = { path, headers: { "idempotency-key": crypto.randomUUID() }, body: { machineGuid: GUID } };
    await expectAnswer(200, null, "deregister", leave);
    await expectAnswer(200, null, "deregister", leave);
    await expectAnswer(422, "IDEMPOTENCY_KEY_REUSED", "deregister", {
      ...leave,
      body: { machineGuid: GUID, preview: true },
    });
    await expectAnswer(403, "DEREG_DENIED", "deregister", { path, body: { machineGuid: GUID } });
  });

  it.each(["P-256", "X25519"])("have their keys sealed to one of curve %s", async (crv) => {
    const { publicKey } = await generateKeyPair("ECDH-ES", { crv });
    const { kty, x, y } = await exportJWK(publicKey);
    const encryptionKey = { kty, crv, x, ...(y === undefined ? {} : { y }) };
    const path = { domain: await createdDomain() };
    const body = { machineGuid: GUID, encryptionKey };
    expect(await expectAnswer(201, null, "register", { path, body })).toHaveProperty("sealedKeys");
    const renewal = { path, body: { ...body, afterKeyVersion: 1 } };
    expect(await expectAnswer(200, null, "register", renewal)).toMatchObject({ credentials: [] });
  });

  it("sign what they ask for", async () => {
    const path = { domain: await createdDomain({ deviceKeyRequired: true }) };
    const device = await newDevice();
    const { machineGuid } = device;
    const signed = async (id: string, signer = device) => ({
      path,
      type: "application/jose",
      body: await sign(signer, urlOf(id, path), { machineGuid }),
    });
    await expectAnswer(401, "DEVICE_KEY_REQUIRED", "register", { path, body: { machineGuid } });
    await expectAnswer(201, null, "register", await signed("register"));
    const stranger = await newDevice();
    await expectAnswer(403, "DEVICE_PROOF_INVALID", "register", await signed("register", stranger));
    await expectAnswer(401, "DEVICE_KEY_REQUIRED", "deregister", { path, body: { machineGuid } });
    await expectAnswer(403, "DEVICE_PROOF_INVALID", "deregister", await signed("deregister", stranger));
    await expectAnswer(200, null, "deregister", await signed("deregister"));
  });

  it("show auth tokens", async () => {
    const path = {
      domain: await createdDomain({ authenticationRequired: true, authNamespace: "studio", maxMembership: 1 }),
    };
    const member = { path, body: { machineGuid: GUID } };
    const withToken = { ...member, headers: bearer(await mintToken("studio", keys.studio)) };
    await expectAnswer(401, "DOM_AUTHENTICATION_REQUIRED", "register", member);
    await expectAnswer(401, "DOM_AUTHENTICATION_REQUIRED", "deregister", member);
    await expectAnswer(201, null, "register", withToken);
    const another = { ...withToken, body: { machineGuid: crypto.randomUUID() } };
    expect(await expectAnswer(409, "DOM_LIMIT_REACHED", "register", another)).not.toHaveProperty("memberCount");
    // An operator learns what it takes to make room.
    const open = { domain: await createdDomain({ maxMembership: 1 }) };
    await expectAnswer(201, null, "register", { path: open, body: { machineGuid: GUID } });
    const operators = admin({ path: open, body: { machineGuid: crypto.randomUUID() } });
    const full = await expectAnswer(409, "DOM_LIMIT_REACHED", "register", operators);
    expect(full).toMatchObject({ memberCount: 1, leastRecentlyRenewed: [{ machineGuid: `${GUID.slice(0, 8)}…` }] });
    await expectAnswer(200, null, "deregister", withToken);
  });

  it("are put off while an issuer cannot be asked, and told no more than they may know when a domain is full", async () => {
    const path = { domain: await createdDomain({ authenticationRequired: true }) };
    const token = await mintToken("studio", keys.studio, { issuer: UNREACHABLE });
    const request = { path, headers: bearer(token), body: { machineGuid: GUID } };
    await expectAnswer(503, "TEMPORARILY_UNAVAILABLE", "register", request);
    await expectAnswer(503, "TEMPORARILY_UNAVAILABLE", "deregister", request);
    await configure(path.domain, { maxMembership: 0 });
    const full = await expectAnswer(409, "DOM_LIMIT_REACHED", "register", { path, body: { machineGuid: GUID } });
    expect(full).not.toHaveProperty("memberCount");
  });

  it("that are banned are turned away", async () => {
    const path = { domain: await newMemberDomain() };
    await ban(path.domain);
    await expectAnswer(403, "DEVICE_BANNED", "register", { path, body: { machineGuid: GUID } });
  });
});

describe("readers", () => {
  it("learns what a domain wants of a device", async () => {
    await expectAnswer(200, null, "getDomain", { path: { domain: await newMemberDomain() } });
    await expectAnswer(404, "DOMAIN_NOT_FOUND", "getDomain", { path: { domain: newDomain() } });
  });

  it("learns how the server is", async () => {
    expect(await expectAnswer(200, null, "getHealth", {})).toEqual({
      status: "ok",
      database: "ok",
      secrets: "ok",
      copy: { domains: expect.any(Number), seconds: expect.any(Number) },
    });
  });
});

describe("operators", () => {
  it("list domains", async () => {
    for (const domain of ["list-1", "list-2", "list-3"]) await configure(domain, {});
    const query = { prefix: "list-", limit: "2" };
    const first = await expectAnswer(200, null, "listDomains", admin({ query }));
    expect(first).toMatchObject({ domains: [{ domain: "list-1" }, { domain: "list-2" }] });
    const { nextCursor: cursor } = first as { nextCursor: string };
    const second = await expectAnswer(200, null, "listDomains", admin({ query: { ...query, cursor } }));
    expect(second).toMatchObject({ domains: [{ domain: "list-3" }], nextCursor: null });
  });

  it("change a domain's settings and keys", async () => {
    const path = { domain: newDomain() };
    const keyRules = { rolloverIntervalSeconds: 60, retireAfterDays: 30 };
    const created = admin({ path, body: { maxMembership: 5, ...keyRules } });
    expect(await expectAnswer(201, null, "replaceSettings", created)).toMatchObject(keyRules);
    const create = admin({ path, body: {}, headers: { "if-none-match": "*" } });
    await expectAnswer(412, "DOMAIN_EXISTS", "replaceSettings", create);
    await expectAnswer(200, null, "replaceSettings", admin({ path, body: {} }));
    for (const type of ["application/json", "application/merge-patch+json"]) {
      await expectAnswer(200, null, "changeSettings", admin({ path, type, body: { deviceKeyRequired: null } }));
    }
    await expectAnswer(200, null, "getDomainOverview", admin({ path }));
    expect(await expectAnswer(200, null, "copyDomain", admin({ path }))).toMatchObject({ copySecondsBehind: 0 });
    for (const when of ["now", "next-registration"]) {
      await expectAnswer(200, null, "rollOver", admin({ path, body: { when } }));
    }
    expect(await expectAnswer(200, null, "getDomainOverview", admin({ path }))).toMatchObject({
      rolloverIntervalSeconds: 0,
      retireAfterDays: null,
    });
    await expectAnswer(200, null, "retireKeys", admin({ path, body: { upTo: 0 } }));
    await expectAnswer(200, null, "retireKeys", admin({ path, body: { olderThanDays: 0 } }));
    const versions = await expectAnswer(200, null, "listKeyVersions", admin({ path }));
    const publicKeys = (await expectAnswer(200, null, "getDomainKeys", { path })) as { keys: [{ kid: string }] };
    expect(versions).toMatchObject({ keys: [{ keyVersion: 1, kid: publicKeys.keys[0].kid }] });
  });

  it("delete a domain, and those that are idle", async () => {
    const path = { domain: await newMemberDomain() };
    await expectAnswer(400, "INVALID_REQUEST", "deleteDomain", admin({ path, query: { confirm: "another" } }));
    const request = admin({ path, query: { confirm: path.domain } });
    expect(await expectAnswer(200, null, "deleteDomain", request)).toMatchObject({ deleted: true });
    await expectAnswer(404, "DOMAIN_NOT_FOUND", "deleteDomain", request);
    const deletions = await expectAnswer(200, null, "listDeletions", admin({ query: { limit: "200" } }));
    expect(deletions).toMatchObject({ deletions: [{ ...path, memberCount: 1 }], nextCursor: null });
    await configure(path.domain, {});
    expect(await expectAnswer(200, null, "getLog", admin({ path }))).toMatchObject({
      entries: [{ changes: [{ type: "domain-created", keyVersion: 1 }] }],
    });
    const idle = await expectAnswer(200, null, "deleteIdleDomains", admin({ body: REQUEST_OF_IDLE }));
    expect(idle).toEqual({ dryRun: true, domains: [], nextCursor: null });
  });

  it("see which key-encryption keys are in use, and have the first wrap all", async () => {
    await expectAnswer(200, null, "getKeyEncryption", admin({}));
    await expectAnswer(200, null, "getOperator", admin({}));
    expect(await expectAnswer(200, null, "rewrapKeys", admin({}))).toMatchObject({ locked: 0, done: true });
  });

  it("see and evict members", async () => {
    const path = { domain: await newMemberDomain() };
    const list = await expectAnswer(200, null, "listMembers", admin({ path }));
    const { handle } = (list as { members: [{ handle: string }] }).members[0];
    const short = `${GUID.slice(0, 8)}…`;
    const byHandle = admin({ path: { ...path, device: handle } });
    const byGuid = admin({ path: { ...path, device: GUID } });
    expect(await expectAnswer(200, null, "getMember", byHandle)).toMatchObject({ machineGuid: short });
    expect(await expectAnswer(200, null, "getMember", byGuid)).toMatchObject({ machineGuid: GUID });
    await expectAnswer(200, null, "evictMember", byHandle);
    await expectAnswer(404, "NOT_FOUND", "getMember", byGuid);
    await expectAnswer(404, "NOT_FOUND", "evictMember", byGuid);
  });

  it("ban devices and let them come back", async () => {
    const domain = await newMemberDomain();
    const path = { domain, device: GUID };
    const body = { reason: "It was sold." };
    await expectAnswer(201, null, "banDevice", admin({ path, body }));
    await expectAnswer(200, null, "banDevice", admin({ path, body: { reason: "It was stolen." } }));
    const bans = await expectAnswer(200, null, "listBans", admin({ path: { domain } }));
    expect(bans).toMatchObject({ bans: [{ reason: "It was stolen.", bannedBy: "admin-token" }] });
    await expectAnswer(200, null, "liftBan", admin({ path }));
    await expectAnswer(404, "NOT_FOUND", "liftBan", admin({ path }));
  });

  it("see a device in all its domains, evict it and ban it there, and let it come back", async () => {
    const machineGuid = crypto.randomUUID();
    const path = { device: machineGuid };
    const domains = [await createdDomain(), await createdDomain()].toSorted();
    const inAll = { domains: domains.map((domain) => ({ domain, hasDeviceKey: false })), ban: null };
    const join = async (domain: string) =>
      expectAnswer(201, null, "register", { path: { domain }, body: { machineGuid } });
    const known = () =>
      vi.waitFor(async () => expect(await expectAnswer(200, null, "getDevice", admin({ path }))).toMatchObject(inAll));
    for (const domain of domains) await join(domain);
    await known();
    const everywhere = { failed: [], more: false };
    const evicted = await expectAnswer(200, null, "evictDeviceEverywhere", admin({ path }));
    expect(evicted).toEqual({ evicted: domains, ...everywhere });
    for (const domain of domains) await join(domain);
    await known();
    await expectAnswer(404, "NOT_FOUND", "liftBanEverywhere", admin({ path }));
    const ban = admin({ path, body: { reason: "It was stolen." } });
    expect(await expectAnswer(201, null, "banDeviceEverywhere", ban)).toMatchObject({
      domains: { banned: domains, ...everywhere },
    });
    await expectAnswer(200, null, "banDeviceEverywhere", ban);
    for (const domain of [...domains, await createdDomain()]) {
      await expectAnswer(403, "DEVICE_BANNED", "register", { path: { domain }, body: { machineGuid } });
    }
    const { bans } = (await expectAnswer(200, null, "listServerWideBans", admin({}))) as { bans: [{ handle: string }] };
    expect(bans).toMatchObject([{ machineGuid: `${machineGuid.slice(0, 8)}…`, reason: "It was stolen." }]);
    const byHandle = admin({ path: { device: bans[0].handle } });
    expect(await expectAnswer(200, null, "getDevice", byHandle)).toMatchObject({ ban: { reason: "It was stolen." } });
    expect(await expectAnswer(200, null, "liftBanEverywhere", byHandle)).toMatchObject({
      domains: { lifted: domains, ...everywhere },
    });
    for (const domain of domains) await join(domain);
    const wrong = admin({ path: { device: "6f1c7a52" }, body: { reason: "It was stolen." } });
    for (const id of ["getDevice", "evictDeviceEverywhere", "banDeviceEverywhere", "liftBanEverywhere"]) {
      await expectAnswer(400, "INVALID_REQUEST", id, wrong);
    }
  });

  it("see metrics of all domains", async () => {
    const { text } = await ask(contract.operation("getMetrics"), admin({}));
    expect(text).toMatch(/^device_domain_joins_total\{database="DB"\} [1-9]/m);
    await expectAnswer(200, null, "getMetrics", admin({}));
  });

  it("read a log in which everything happened that can", async () => {
    const { domain, device } = await eventfulDomain();
    const path = { domain };
    const types = [...(await loggedTypes(domain)), ...(await loggedTypes(await takenOverDomain()))];
    const { LogChange } = contract.schemas as { LogChange: { discriminator: { mapping: Record<string, string> } } };
    expect([...new Set(types)].toSorted()).toEqual(Object.keys(LogChange.discriminator.mapping).toSorted());
    await expectAnswer(200, null, "getLog", admin({ path, query: { limit: "1" } }));
    await expectAnswer(200, null, "getLogHead", admin({ path }));
    const { text } = await ask(contract.operation("exportLog"), admin({ path }));
    expect(text.split("\n").filter((line) => line !== "").length).toBeGreaterThan(types.length / 3);
    expect(text).not.toContain(device);
    await expectAnswer(200, null, "exportLog", admin({ path }));
    const audited = await ask(contract.operation("auditDomain"), admin({ path }));
    const auditLines = audited.text
      .trimEnd()
      .split("\n")
      .map((line) => Object.keys(JSON.parse(line))[0]);
    expect(new Set(auditLines)).toEqual(new Set(["member", "key", "complete"]));
    await expectAnswer(200, null, "auditDomain", admin({ path }));
    await expectAnswer(200, null, "getActivity", admin({ path, query: { days: "90" } }));
  });
});

describe("every operation", () => {
  it("has the methods that the server says there are, and refuses others", async () => {
    for (const operation of contract.operations) {
      // A domain may be called like the last part of an address that is none of a domain.
      const isAlso = (path: string) => path === "/admin/domains/{domain}" && operation.id === "deleteIdleDomains";
      const described = contract.operations.flatMap(({ path, method }) =>
        path === operation.path || isAlso(path) ? [method] : [],
      );
      const other = ["PUT", "DELETE", "POST", "GET", "OPTIONS"].find((method) => !described.includes(method)) as string;
      const request = admin({ path: examplePath("den") });
      const { status, body, headers } = await ask(operation, request, other);
      expect({ status, error: body.error }).toEqual({ status: 405, error: "INVALID_REQUEST" });
      const allowed = (headers.get("allow") ?? "").split(", ").filter((method) => method !== "HEAD");
      expect(allowed.toSorted()).toEqual(described.toSorted());
    }
  });

  it("for operators wants a credential that reaches as far as it says", async () => {
    const powerless = bearer(await mintToken("arcade", keys.arcade, { claims: { scope: "" } }));
    for (const operation of guarded()) {
      const path = { domain: "den", device: GUID };
      await expectAnswer(401, "ADMIN_AUTHENTICATION_REQUIRED", operation.id, { path });
      const { status, headers, body } = await ask(operation, { path, headers: powerless });
      const scopes = new Set(operation.security.flatMap((requirement) => Object.values(requirement).flat()));
      const expected = scopes.size === 0 ? { status: 200 } : { status: 403, error: "ADMIN_SCOPE_REQUIRED" };
      expect({ status, error: body.error }).toEqual(expected);
      if (scopes.size === 0) continue;
      expect(headers.get("www-authenticate")).toBe(`Bearer error="insufficient_scope", scope="${[...scopes]}"`);
    }
  });

  it("for operators takes a scoped token", async () => {
    const token = await mintToken("arcade", keys.arcade, { claims: { scope: "domains:read" } });
    await expectAnswer(200, null, "listDomains", { headers: bearer(token) });
  });

  it("of a domain wants a well-formed name, and one that exists", async () => {
    for (const operation of contract.operations.filter(({ path }) => path.includes("{domain}"))) {
      await expectAnswer(400, "INVALID_REQUEST", operation.id, exampleRequest(operation, "a..b"));
      if (api.promises(operation, "DOMAIN_NOT_FOUND")) {
        await expectAnswer(404, "DOMAIN_NOT_FOUND", operation.id, exampleRequest(operation, newDomain()));
      }
    }
  });

  it("with a query names what is wrong in it", async () => {
    const path = { domain: await newMemberDomain() };
    for (const id of ["listDomains", "listDeletions", "listKeyVersions", "listMembers", "listBans", "getLog"]) {
      await expectAnswer(400, "INVALID_REQUEST", id, admin({ path, query: { limit: "201" } }));
    }
    await expectAnswer(400, "INVALID_REQUEST", "listServerWideBans", admin({ query: { limit: "201" } }));
    await expectAnswer(400, "INVALID_REQUEST", "getDomainKeys", { path, query: { version: "1", before: "2" } });
    await expectAnswer(400, "INVALID_REQUEST", "exportLog", admin({ path, query: { after: "-1" } }));
    await expectAnswer(400, "INVALID_REQUEST", "getActivity", admin({ path, query: { days: "91" } }));
  });

  it("that is limited says so to an address that asks too often", async () => {
    const headers = { "cf-connecting-ip": "203.0.113.7" };
    const path = examplePath(await newMemberDomain());
    for (const operation of contract.operations.filter((each) => api.promises(each, "RATE_LIMITED"))) {
      const request = { path, headers, body: { machineGuid: GUID } };
      for (let status = 0; status !== 429; ) ({ status } = await ask(operation, request));
    }
  });

  it("with a body wants one of a described type and size", async () => {
    for (const operation of contract.operations.filter(({ requestBody }) => requestBody)) {
      const request = exampleRequest(operation, "den");
      await expectAnswer(415, "INVALID_REQUEST", operation.id, { ...request, type: "text/plain" });
      await expectAnswer(413, "INVALID_REQUEST", operation.id, { ...request, body: { padding: "x".repeat(65_536) } });
      await expectAnswer(400, "INVALID_REQUEST", operation.id, { ...request, body: { unknown: 1 } });
    }
  });

  it("takes the examples of its requests; the signed ones are of the past", async () => {
    for (const operation of contract.operations) {
      const content = operation.requestBody?.content ?? {};
      for (const [type, { examples }] of Object.entries(content)) {
        for (const { value } of Object.values(examples ?? {})) {
          // A device that is banned in all domains is of no use to the other requests.
          const device = operation.id === "banDeviceEverywhere" ? crypto.randomUUID() : GUID;
          const request = isOwners(operation)
            ? asOwner({ path: (await newOwnedDomain({ api, asOwner })).path })
            : admin({ path: { domain: await newMemberDomain(), device } });
          const { status, body } = await ask(operation, { ...request, type, body: value });
          if (type === "application/jose") expect(body.error).toBe("DEVICE_PROOF_INVALID");
          else expect([200, 201], `${operation.id} ${JSON.stringify(value)}`).toContain(status);
        }
      }
    }
  });
});

describe("the check of answers", () => {
  it.each<[string, (answer: Answer) => Partial<Answer>]>([
    ["a status", () => ({ status: 418 })],
    ["a media type", ({ headers }) => ({ headers: changed(headers, "content-type", "text/html") })],
    ["a body that is not JSON", () => ({ text: "<p>ok</p>" })],
    ["a member of another type", (answer) => edited(answer, { keyVersion: "1" })],
    ["a member too few", (answer) => edited(answer, { domain: undefined })],
    ["a member too many", (answer) => edited(answer, { secret: "d" })],
    ["a header that is missing", ({ headers }) => ({ headers: changed(headers, "x-request-id", null) })],
    ["a header that is malformed", ({ headers }) => ({ headers: changed(headers, "x-request-id", "7") })],
  ])("catches %s", async (_, breaking) => {
    const operation = contract.operation("getDomain");
    const answer = await ask(operation, { path: { domain: await newMemberDomain() } });
    expect(contract.violations(operation, answer)).toEqual([]);
    expect(contract.violations(operation, { ...answer, ...breaking(answer) })).not.toEqual([]);
  });

  it("catches a problem that is another one's, or that the operation does not have", async () => {
    const operation = contract.operation("getDomain");
    const answer = await ask(operation, { path: { domain: newDomain() } });
    expect(contract.violations(operation, answer)).toEqual([]);
    expect(contract.violations(operation, { ...answer, ...edited(answer, { error: "NOT_FOUND" }) })).not.toEqual([]);
    expect(contract.violations(operation, { ...answer, status: 403 })).not.toEqual([]);
  });
});

describe("what the document promises", () => {
  it("was had of a server that is well, every answer of it", () => {
    const promised = contract
      .promises()
      .filter(({ status, error }) => !(error === null ? status >= 500 : ONLY_WHEN_FAILING.includes(error)))
      .map(({ operation, status, error }) => kind(operation, status, error));
    expect(promised.filter((each) => !api.had.has(each))).toEqual([ONLY_IN_A_RACE]);
  });
});

describe("the address in a problem's type", () => {
  it("says what happened and what to do", async () => {
    expect(api.problemTypes.size).toBeGreaterThan(10);
    for (const type of api.problemTypes) {
      const response = await fetch(type);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toContain("text/html");
      expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(await response.text()).toContain("<h2>What to do</h2>");
    }
    expect(await (await fetch(`${server.url}/problems/`)).text()).toContain("/problems/dereg-denied");
  });
});

const REQUEST_OF_IDLE = { idleSince: "2020-01-01T00:00:00Z" };

function guarded(): readonly Operation[] {
  return contract.operations.filter(({ path }) => path.startsWith("/admin/"));
}

/** A request as the document has it for an example, of some domain. */
function exampleRequest(operation: Operation, domain: string): Request {
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const [example] = Object.values(content?.examples ?? {});
  const body = type === undefined ? {} : { type, body: example?.value };
  const query = operation.id === "deleteDomain" ? { query: { confirm: domain } } : {};
  const request = { path: examplePath(domain), ...query, ...body };
  return isOwners(operation) ? asOwner(request) : admin(request);
}

/** A path in some domain, for any operation. */
function examplePath(domain: string) {
  return { domain, device: GUID, handle: "x", keyVersion: "1" };
}

/** Whether it is the owner of a domain who asks. */
function isOwners({ path }: Operation): boolean {
  return path.startsWith("/domains/{domain}/devices");
}

function changed(headers: Headers, name: string, value: string | null): Headers {
  const copy = new Headers(headers);
  if (value === null) copy.delete(name);
  else copy.set(name, value);
  return copy;
}

function edited({ text }: Answer, members: Record<string, unknown>): Partial<Answer> {
  return { text: JSON.stringify({ ...JSON.parse(text), ...members }) };
}

function configure(domain: string, settings: object) {
  return ask(contract.operation("replaceSettings"), admin({ path: { domain }, body: settings }));
}

function ban(domain: string, device = GUID) {
  const body = { reason: "It was sold." };
  return expectAnswer(201, null, "banDevice", admin({ path: { domain, device }, body }));
}

/** The types of all changes in a domain's log. */
async function loggedTypes(domain: string): Promise<string[]> {
  const query = { order: "oldest", limit: "200" };
  const log = await expectAnswer(200, null, "getLog", admin({ path: { domain }, query }));
  const { entries } = log as { entries: { changes: { type: string }[] }[] };
  return entries.flatMap(({ changes }) => changes.map(({ type }) => type));
}

/** A domain that the database has from elsewhere, with a key that was wrapped anew since, and a name that was sealed anew. */
async function takenOverDomain(): Promise<string> {
  const domain = newDomain();
  const sealedName = await sealDeviceName("TV", { domain, machineGuid: GUID }, [FORMER_KEY]);
  const wrapped = await wrapPrivateKey({ kty: "EC" }, { domain, keyVersion: 1 }, [FORMER_KEY]);
  const file = join(server.dir, "taken-over.sql");
  writeFileSync(
    file,
    `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
      values ('${domain}', 1, '{}', '${wrapped}', '${FORMER_KEY.kid}');
    insert into domain_membership (domain, machine_guid, sealed_name) values ('${domain}', '${GUID}', '${sealedName}');
    insert into domain_server_info (domain) values ('${domain}');`,
  );
  await server.loadDatabase(file);
  expect(await expectAnswer(200, null, "rewrapKeys", admin({}))).toMatchObject({ rewrapped: 1 });
  return domain;
}

/** A domain to whose log everything was written that requests can bring about, and a device that was in it. */
async function eventfulDomain(): Promise<{ domain: string; device: string }> {
  const path = { domain: await newMemberDomain() };
  const device = await newDevice();
  const { machineGuid } = device;
  await expectAnswer(201, null, "register", { path, body: { machineGuid } });
  const signed = async (id: string) => ({
    path,
    type: "application/jose",
    body: await sign(device, urlOf(id, path)),
  });
  await expectAnswer(200, null, "register", await signed("register"));
  await expectAnswer(200, null, "deregister", await signed("deregister"));
  await expectAnswer(200, null, "register", { path, body: { machineGuid: GUID, deviceName: "TV" } });
  await ban(path.domain);
  await expectAnswer(200, null, "liftBan", admin({ path: { ...path, device: GUID } }));
  await configure(path.domain, { maxMembership: 3 });
  await expectAnswer(201, null, "register", { path, body: { machineGuid: GUID } });
  await expectAnswer(200, null, "rollOver", admin({ path, body: { when: "next-registration" } }));
  await expectAnswer(200, null, "retireKeys", admin({ path, body: { upTo: 1 } }));
  return { domain: path.domain, device: machineGuid };
}
