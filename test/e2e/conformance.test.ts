import { once } from "node:events";
import { createServer } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CHECKS, conformance } from "../../src/cli/conformance/conformance.ts";
import { run } from "../../src/cli/program.ts";
import { DomainOperator } from "../../src/operator/index.ts";
import { mintToken, newTestIssuers } from "../support/issuers.ts";
import { type Alteration, type AlteringProxy, startAlteringProxy } from "../support/node/altering-proxy.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

let proxy: AlteringProxy;
let server: EmbeddedServer;
let authToken: string;
beforeAll(async () => {
  const issuers = await newTestIssuers();
  authToken = await mintToken("studio", issuers.keys.studio, { expires: 3_600 });
  proxy = await startAlteringProxy();
  // The server knows itself by the proxy's address.
  const vars = { DOMAIN_SERVER_URL: proxy.url, TRUSTED_ISSUERS: JSON.stringify(issuers.trusted) };
  server = await startEmbeddedServer({ vars });
  proxy.target = server.url;
});
afterAll(async () => {
  await server?.stop();
  await proxy?.stop();
});
afterEach(() => {
  proxy.alter = () => {};
  proxy.dropped = [];
});

const access = () => ({ adminToken: server.adminToken, authToken });
const tokens = () => ["--admin-token", server.adminToken, "--auth-token", authToken];

async function commandLine(...args: readonly string[]) {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const streams = { input: Readable.from([]), output, errors };
  const code = await run({ arguments: ["conformance", ...args], environment: {}, ...streams });
  output.end();
  errors.end();
  return {
    code,
    out: await text(output),
    err: (await text(errors)).replace("Waiting for the server's response…\n", ""),
  };
}

/** The domains of the server, as soon as the database has what was done. */
async function domainsOf(): Promise<readonly { domain: string; memberCount: number }[]> {
  const operator = new DomainOperator(server.url, { token: server.adminToken });
  const rows = [];
  for await (const { domain } of operator.domains({ prefix: "conformance-" })) {
    rows.push({ domain, memberCount: (await operator.domain(domain).overview()).memberCount });
  }
  return rows;
}

describe("this server", () => {
  it("conforms, with all checks, and has nothing left of them", async () => {
    const made = new Set<string>();
    proxy.alter = ({ status }, request) => {
      const [, name] = /\/domains\/([^/?]+)/.exec(request) ?? [];
      if (status === 201 && name) made.add(name);
    };
    const { code, out, err } = await commandLine(proxy.url, ...tokens());
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const [headings, ...rows] = out.trimEnd().split("\n");
    expect(headings).toMatch(/^RESULT {2}SECTION +RULE +FINDING$/);
    expect(rows.pop()).toBe(`${proxy.url}: ${CHECKS.length} passed, 0 failed, 0 skipped.`);
    expect(rows).toHaveLength(CHECKS.length);
    expect(rows.filter((row) => !/^passed {2}.* -$/.test(row))).toEqual([]);
    expect(await domainsOf()).toEqual([]);
    // A deployment lets an address make 30 a minute.
    expect(made.size).toBeGreaterThan(15);
    expect(made.size).toBeLessThan(30);
  });

  it("is waited for while it says that it is too busy", async () => {
    let refusals = 2;
    proxy.alter = (response) => {
      if (refusals-- > 0) Object.assign(response, { status: 429, headers: { "retry-after": "0" } });
    };
    const checks = CHECKS.filter(({ prove }) => prove.name === "readsMakeNoDomain");
    expect(await conformance(proxy.url, access(), checks)).toMatchObject({ passed: 1, failed: 0 });
    expect(refusals).toBeLessThan(0);
  });

  it("has nothing left of a run that was interrupted", async () => {
    const before = await domainsOf();
    const interruption = new AbortController();
    let joins = 0;
    proxy.alter = ({ status }) => {
      if (status === 201 && ++joins === 5) interruption.abort();
    };
    const { signal } = interruption;
    await expect(conformance(proxy.url, { ...access(), signal })).rejects.toThrow("abort");
    expect(joins).toBeLessThan(10);
    expect(await domainsOf()).toEqual(before);
  });

  it("conforms as far as a stranger can tell, who leaves no members", async () => {
    const { code, out } = await commandLine(proxy.url, "--json");
    const found = JSON.parse(out);
    const needing = CHECKS.filter(({ needs = [] }) => needs.length > 0).length;
    expect({ code, ...found }).toMatchObject({ code: 0, passed: CHECKS.length - needing, failed: 0, skipped: needing });
    expect(found.results.find(({ result }: { result: string }) => result === "skipped")).toEqual({
      check: "fullDomainRefusesNewMachines",
      section: "Registration, step 5",
      rule: "a full domain refuses new machines",
      result: "skipped",
      finding: "needs an admin token",
    });
    const left = await domainsOf();
    expect(left.map(({ domain }) => domain).sort()).toEqual([...found.domainsLeft].sort());
    expect(left.filter(({ memberCount }) => memberCount > 0)).toEqual([]);
    expect(left.length).toBeGreaterThan(5);
  });
});

const JSON_TYPE = { "content-type": "application/json" };

function keepCurrent(body: { currentKeyVersion?: number | null }) {
  if (body.currentKeyVersion === null) body.currentKeyVersion = 1;
}

function addToEach(rows: readonly object[] | undefined, members: object) {
  for (const row of rows ?? []) Object.assign(row, members);
}

/** The deviations of the two wrong servers, and all checks that must see them. */
const WRONG_SERVERS: readonly [string, Alteration, readonly string[]][] = [
  [
    "sends the number of the limit as the status",
    (response) => {
      if (response.body.error === "DOM_LIMIT_REACHED") response.status = 502;
    },
    ["fullDomainRefusesNewMachines", "refusalRollsNothingOver"],
  ],
  [
    "drops the oldest key",
    ({ body }) => {
      if (body.credentials?.length > 1) body.credentials.shift();
      if (body.keys?.length > 1) body.keys.shift();
    },
    [
      ...["leavesMakeOneRollover", "eachKeyHasItsCredential", "heldCredentialsAreLeftOut", "keysAreSealed"],
      ...["historyOpensWithTheNewerKey", "keySetIsPublic", "retiredKeysAreKept"],
    ],
  ],
];

describe("a wrong server", () => {
  it.each(WRONG_SERVERS)("that %s is found out by these checks alone", async (_, alter, expected) => {
    proxy.alter = alter;
    const { code, out, err } = await commandLine(proxy.url, "--json", ...tokens());
    const { results } = JSON.parse(out) as Awaited<ReturnType<typeof conformance>>;
    const failed = results.filter(({ result }) => result === "failed");
    expect(failed.map(({ check }) => check).sort()).toEqual([...expected].sort());
    expect(code).toBe(7);
    expect(JSON.parse(err)).toEqual({
      error: "NOT_CONFORMING",
      message: `The server deviates from the protocol: ${expected.length} checks failed.`,
    });
    expect(await domainsOf()).not.toContainEqual(expect.objectContaining({ memberCount: 1 }));
  });

  it("is told in the table how it deviates", async () => {
    proxy.alter = (response, request) => {
      if (request.endsWith("/deregister")) response.body.allowed = "yes";
    };
    const { code, out, err } = await commandLine(proxy.url);
    expect(out).toMatch(
      /^failed +De-registration, step 5 +a preview changes nothing +allowed of POST \S+\/deregister is "yes", and not true$/m,
    );
    expect(err).toMatch(/^The server deviates from the protocol: \d+ checks failed\.\n$/);
    expect(code).toBe(7);
  });

  it.each<[string, string, Alteration]>([
    ["welcomes members as new", "newMachineJoinsOnce", (r) => r.status === 200 && Object.assign(r, { status: 201 })],
    ["drops newMember", "newMachineJoinsOnce", ({ body }) => delete body.newMember],
    ["drops code", "nonMembersAreDenied", ({ body }) => delete body.code],
    ["numbers refusals alike", "tokenIsRequiredToJoin", ({ body }) => body.code && Object.assign(body, { code: 401 })],
    ["asks for no token", "tokenIsRequiredToLeave", ({ headers }) => delete headers["www-authenticate"]],
    ["sends problems as JSON", "unknownPathIsNotFound", (r) => Object.assign(r, { headers: JSON_TYPE })],
    ["drops titles", "malformedNamesAreRefused", ({ body }) => delete body.title],
    ["names no field", "malformedBodiesAreRefused", ({ body }) => delete body.errors],
    ["has credentials stored", "credentialsAreNotStored", ({ headers }) => delete headers["cache-control"]],
    ["hides what is left out", "newestCredentialIsGivenAlone", ({ body }) => delete body.olderKeyVersions],
    ["makes domains by reading", "readsMakeNoDomain", (r) => Object.assign(r, { status: 200 })],
    ["keeps the old key current", "leaveMakesRolloverDue", ({ body }) => keepCurrent(body)],
    ["keeps the old key current", "leaveShowsAtOnce", ({ body }) => keepCurrent(body)],
    ["has no entity tags", "keySetIsRevalidated", ({ headers }) => delete headers.etag],
    ["signs no key set", "keySetIsStated", ({ body }) => delete body.statement],
    ["does not tell its time", "serverTellsItsTime", ({ body }) => delete body.serverTime],
    ["shows its private key", "authorityKeysArePublic", ({ body }) => addToEach(body.keys, { d: "x" })],
    ["shows domains' private keys", "keySetIsPublic", ({ body }) => addToEach(body.keys, { d: "x" })],
    ["shows sealed keys", "keysAreSealed", ({ body }) => addToEach(body.credentials, { privateKey: {} })],
    ["names no keys", "keyIsNamedByItsThumbprint", ({ body }) => addToEach(body.credentials, { privateKey: {} })],
    ["gives other tokens", "tokenStatesTheKey", ({ body }) => addToEach(body.credentials, { token: "x.y.z" })],
    ["never ends a list", "membersArePaged", ({ body }) => body.nextCursor && Object.assign(body, { nextCursor: "x" })],
    ["forgets settings", "settingsAreReplacedAndMerged", ({ body }) => Object.assign(body, { maxMembership: null })],
  ])("that %s is found out by %s", async (_, name, alter) => {
    const check = CHECKS.filter(({ prove }) => prove.name === name);
    proxy.alter = alter;
    expect((await conformance(proxy.url, access(), check)).results).toMatchObject([{ result: "failed" }]);
    // The check fails for this alone.
    proxy.alter = () => {};
    expect((await conformance(proxy.url, access(), check)).results).toMatchObject([{ result: "passed" }]);
  });

  it("that knows no idempotency keys is found out", async () => {
    proxy.dropped = ["idempotency-key"];
    const names = ["leaveMayBeRepeated", "repeatedLeaveEndsNoLaterMembership", "headerAgreesWithJti"];
    const checks = CHECKS.filter(({ prove }) => names.includes(prove.name));
    const { failed } = await conformance(proxy.url, access(), checks);
    expect(failed).toBe(names.length);
  });

  it.each([
    [200, {}],
    [500, { error: "INTERNAL_ERROR" }],
  ])("that always says %d passes no check", async (status, body) => {
    const stub = createServer((_, response) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    }).listen(0, "127.0.0.1");
    await once(stub, "listening");
    const { port } = stub.address() as { port: number };
    const { results, passed } = await conformance(`http://127.0.0.1:${port}`, access());
    expect(results.filter(({ result }) => result !== "failed")).toEqual([]);
    expect(passed).toBe(0);
    stub.close();
    stub.closeAllConnections();
  });
});

describe("the exit code and the sentence of", () => {
  it.each<[string, readonly string[], number, string]>([
    ["no URL", [], 2, "missing required argument"],
    ["what is no URL", ["den"], 2, "It looks like https://domains.example.com."],
    ["plain http to elsewhere", ["http://example.com"], 2, "must begin with https://"],
    ["a server that does not answer", ["http://127.0.0.1:9"], 4, "Check the address and the network"],
  ])("%s", async (_, args, code, sentence) => {
    const answer = await commandLine(...args);
    expect(answer).toMatchObject({ code, out: "" });
    expect(answer.err).toContain(sentence);
  });
});
