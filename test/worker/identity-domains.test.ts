import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mintToken, TEST_AUDIENCE, testIssuer } from "../support/issuers.ts";
import { asAdmin, newGuid, type Reply, rows, stored } from "../support/worker/client.ts";
import { askWith } from "../support/worker/environments.ts";
import { evict, setEnvironment } from "../support/worker/objects.ts";

type Realm = "studio" | "arcade";

function publicKeys(realm: Realm) {
  const { d: _, ...publicKey } = env.TEST_ISSUER_KEYS[realm];
  return { keys: [publicKey] };
}

const entry = (realm: Realm) => ({ issuer: testIssuer(realm), audience: TEST_AUDIENCE, jwks: publicKeys(realm) });
const households = {
  ...entry("studio"),
  namespace: "home",
  domains: { name: "{namespace}:{sub}", maxMembershipClaim: "dlimit", maxMembership: 2, memberIdleDays: 90 },
};
const vars = {
  TRUSTED_ISSUERS: JSON.stringify([households, { ...entry("arcade"), namespace: "games" }]),
};

/** A subject that no other test uses. */
const newSubject = (name: string) => `${name}-${crypto.randomUUID().slice(0, 8)}`;

async function tokenOf(sub: unknown, claims: object = {}, realm: Realm = "studio") {
  const token = await mintToken(realm, env.TEST_ISSUER_KEYS[realm], { claims: { sub, ...claims } });
  return { authorization: `Bearer ${token}` };
}

const prepared = new Set<string>();

/** Asks about a domain, of a Worker and an object that trust these issuers. */
async function ask(
  method: string,
  domain: string,
  path: string,
  body?: object,
  headers = {},
  more = {},
): Promise<Reply> {
  if (!prepared.has(domain)) await setEnvironment(domain, vars);
  prepared.add(domain);
  const base = path.startsWith("/admin") ? "/admin/domains" : "/domains";
  const rest = path.replace("/admin", "");
  return askWith({ ...vars, ...more }, method, `${base}/${encodeURIComponent(domain)}${rest}`, body, headers);
}

const join = (domain: string, headers = {}, machineGuid = newGuid(), more = {}) =>
  ask("POST", domain, "/register", { machineGuid }, headers, more);
const leave = (domain: string, headers: object, machineGuid: string, preview = false) =>
  ask("POST", domain, "/deregister", { machineGuid, preview }, headers);
const configure = (domain: string, settings: object) => ask("PUT", domain, "/admin", settings, asAdmin);

const UNTOUCHED = { info: undefined, members: [], keys: [], log: [] };

function expectRefused({ status, body, headers }: Reply, detail?: string): void {
  expect({ status, ...body }).toMatchObject({ status: 401, error: "DOM_AUTHENTICATION_REQUIRED", code: 503 });
  expect(headers.get("www-authenticate")).toBe("Bearer");
  expect(body.detail).toBe(detail);
}

let alice: string;
let bob: string;
let home: string;
/** The log lines of the requests. */
let logged: string[];

beforeEach(() => {
  [alice, bob] = [newSubject("alice"), newSubject("bob")];
  home = `home:${alice}`;
  logged = [];
  for (const level of ["info", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((...all) => void logged.push(all.join(" ")));
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the first token of a subject", () => {
  it("makes the subject's domain, with an owner and the issuer's defaults", async () => {
    const answer = await join(home, await tokenOf(alice));
    expect(answer).toMatchObject({ status: 201, body: { domain: home, newMember: true, keyVersion: 1 } });
    const { info, log } = await rows(home);
    expect(info).toMatchObject({
      authentication_required: 1,
      auth_namespace: "home",
      owner_subject: alice,
      max_membership: 2,
      member_idle_days: 90,
      member_count: 1,
    });
    const changes = JSON.parse(String(log[0]?.changes));
    expect(changes.map(({ type, by }: { type: string; by?: string }) => [type, by])).toEqual([
      ["domain-created", undefined],
      ["settings-changed", "token"],
      ["device-joined", undefined],
      ["key-made", undefined],
    ]);
  });

  it("does so where a token is needed to make a domain, and not where only operators do", async () => {
    const token = await tokenOf(alice);
    const policy = (DOMAIN_CREATION: string) => join(home, token, newGuid(), { DOMAIN_CREATION });
    expect(await policy("operators")).toMatchObject({ status: 404, body: { error: "DOMAIN_NOT_FOUND" } });
    expect(await rows(home)).toEqual(UNTOUCHED);
    expect((await policy("authenticated")).status).toBe(201);
  });

  it("lets in as many devices as the domain holds", async () => {
    const token = await tokenOf(alice);
    expect((await join(home, token)).status).toBe(201);
    expect((await join(home, token)).status).toBe(201);
    expect(await join(home, token)).toMatchObject({ status: 409, body: { error: "DOM_LIMIT_REACHED" } });
  });

  it("is known as the owner's by an object that was lost in between", async () => {
    await join(home, await tokenOf(alice));
    await evict(home);
    prepared.delete(home);
    expect((await join(home, await tokenOf(alice))).status).toBe(201);
    expectRefused(await join(home));
  });
});

describe("somebody else's token", () => {
  it("joins, renews, leaves and previews nothing, and changes nothing", async () => {
    const device = newGuid();
    expect((await join(home, await tokenOf(alice), device)).status).toBe(201);
    const before = await rows(home);
    const detail = "The token is for another domain.";
    const stranger = await tokenOf(bob);
    for (const answer of [
      await join(home, stranger),
      await join(home, stranger, device),
      await leave(home, stranger, device),
      await leave(home, stranger, device, true),
    ]) {
      expectRefused(answer, detail);
      expect(JSON.stringify(answer.body)).not.toContain(bob);
    }
    const player = await tokenOf(alice, {}, "arcade");
    const ofAnother = "This domain name is reserved for another issuer.";
    expectRefused(await join(home, player), ofAnother);
    expectRefused(await leave(home, player, device), ofAnother);
    for (const nobodys of [
      await join(home, {}, device),
      await leave(home, {}, device),
      await leave(home, {}, device, true),
    ]) {
      expectRefused(nobodys);
    }
    expect(await rows(home)).toEqual(before);
    expect((await leave(home, await tokenOf(alice), device)).status).toBe(200);
  });

  it("makes no domain of a reserved name, and nor does anybody without a token", async () => {
    for (const headers of [{}, await tokenOf(bob), await tokenOf(alice, {}, "arcade"), { authorization: "Bearer x" }]) {
      expect((await join(home, headers)).status).toBe(401);
      expect((await leave(home, headers, newGuid())).status).toBe(401);
      expect((await ask("GET", home, "")).status).toBe(404);
      expect(await rows(home)).toEqual(UNTOUCHED);
    }
  });

  it("makes no domain of a mistyped name", async () => {
    const mistyped = `homes-${alice}`;
    expectRefused(await join(mistyped, await tokenOf(alice)), "The token is for another domain.");
    expect(await rows(mistyped)).toEqual(UNTOUCHED);
    // Anybody else may, as ever.
    expect((await join(mistyped)).status).toBe(201);
  });

  it("is let in nowhere else, whatever the domain asks for", async () => {
    const [open, guarded] = [newSubject("open"), newSubject("guarded")];
    await configure(open, {});
    await configure(guarded, { authenticationRequired: true });
    for (const domain of [open, guarded]) {
      expectRefused(await join(domain, await tokenOf(alice)), "The token is for another domain.");
    }
    expect((await join(guarded, await tokenOf(alice, {}, "arcade"))).status).toBe(201);
  });
});

describe("a domain that is bound to a subject by hand", () => {
  it("takes that subject's token alone", async () => {
    const den = newSubject("den");
    await configure(den, { authenticationRequired: true, authNamespace: "home", ownerSubject: alice });
    const device = newGuid();
    expect((await join(den, await tokenOf(alice), device)).status).toBe(201);
    expectRefused(await join(den, await tokenOf(bob)), "The token is for another domain.");
    expectRefused(
      await join(den, await tokenOf(alice, {}, "arcade")),
      "The token has another auth namespace than the domain requires.",
    );
    expectRefused(await join(den), undefined);
    expect((await leave(den, await tokenOf(alice), device)).status).toBe(200);
  });

  it("takes it from an issuer without domains, too", async () => {
    const den = newSubject("den");
    await configure(den, { authenticationRequired: true, authNamespace: "games", ownerSubject: alice });
    expect((await join(den, await tokenOf(alice, {}, "arcade"))).status).toBe(201);
    expectRefused(await join(den, await tokenOf(bob, {}, "arcade")), "The token is of another subject.");
  });

  it("takes a subject that no name can hold, but of an issuer without domains alone", async () => {
    const [one, other] = [newSubject("den"), newSubject("den")];
    const subject = "auth0|507f1f77";
    await configure(one, { authenticationRequired: true, authNamespace: "games", ownerSubject: subject });
    await configure(other, { authenticationRequired: true, authNamespace: "home", ownerSubject: subject });
    expect((await join(one, await tokenOf(subject, {}, "arcade"))).status).toBe(201);
    expect((await ask("GET", one, "/devices", undefined, await tokenOf(subject, {}, "arcade"))).status).toBe(200);
    expect((await join(other, await tokenOf(subject))).status).toBe(401);
  });
});

describe("a reserved name", () => {
  it("may be made by an operator, whose settings stay, but asks for its owner's token", async () => {
    expect((await configure(home, { maxMembership: 7, retireAfterDays: 30 })).status).toBe(201);
    expectRefused(await join(home));
    expect((await join(home, await tokenOf(alice))).status).toBe(201);
    const { info } = await rows(home);
    expect(info).toMatchObject({ max_membership: 7, retire_after_days: 30, owner_subject: null });
    expect((await join(home, await tokenOf(alice, { dlimit: 3 }))).status).toBe(201);
    expect((await rows(home)).info).toMatchObject({ max_membership: 3, retire_after_days: 30, owner_subject: null });
  });
});

describe("a reserved name that an operator made a domain of", () => {
  it("is its subject's, who sees and removes the devices", async () => {
    await configure(home, { maxMembership: 7 });
    await join(home, await tokenOf(alice));
    for (const headers of [{}, await tokenOf(bob)])
      expectRefused(await ask("GET", home, "/devices", undefined, headers));
    const seen = await ask("GET", home, "/devices", undefined, await tokenOf(alice));
    expect(seen.body).toMatchObject({ memberCount: 1, maxMembership: 7 });
    const removed = await ask("DELETE", home, "/devices", undefined, await tokenOf(alice));
    expect(removed.body).toMatchObject({ removed: 1 });
  });
});

describe("the maximum that a token names", () => {
  it("takes effect at the next registration, is logged, and keeps the members when it is lowered", async () => {
    const [one, two] = [newGuid(), newGuid()];
    const tokens = { low: await tokenOf(alice, { dlimit: 1 }), high: await tokenOf(alice, { dlimit: 3 }) };
    expect((await join(home, tokens.low, one)).status).toBe(201);
    expect((await join(home, tokens.low, two)).status).toBe(409);
    expect((await join(home, tokens.high, two)).status).toBe(201);
    expect((await rows(home)).info).toMatchObject({ max_membership: 3 });
    expect((await join(home, tokens.low, one)).status).toBe(200);
    const { info, members, log } = await rows(home);
    expect(info).toMatchObject({ max_membership: 1, member_count: 2 });
    expect(members).toHaveLength(2);
    expect(JSON.parse(String(log.at(-1)?.changes))).toMatchObject([{ type: "settings-changed", by: "token" }]);
    expect((await join(home, tokens.low, two)).status).toBe(200);
    expect((await join(home, tokens.low)).status).toBe(409);
    // Renewals that change nothing leave nothing.
    expect((await rows(home)).log).toHaveLength(log.length);
  });

  it.each([-1, 1.5, "3", null])("is refused by its claim if it is %j, and makes no domain", async (dlimit) => {
    const detail = "The token's dlimit claim must be a whole number, 0 or above.";
    expectRefused(await join(home, await tokenOf(alice, { dlimit })), detail);
    expect(await rows(home)).toEqual(UNTOUCHED);
  });
});

describe("a claim that cannot be part of a name", () => {
  const why = "The token's sub claim cannot be part of a domain name:";
  it.each([
    ["auth0|507f1f77", `${why} it may hold only the characters A-Z a-z 0-9 . _ : @ ~ -.`],
    ["../admin", `${why} it may hold only the characters A-Z a-z 0-9 . _ : @ ~ -.`],
    ["", `${why} it must be a string, and not empty.`],
    [7, `${why} it must be a string, and not empty.`],
    [undefined, `${why} it must be a string, and not empty.`],
    ["carol.", `${why} the name must begin and end with a letter or digit.`],
    ["c".repeat(124), `${why} the name must have at most 128 characters.`],
  ])("is refused by its name, and told to nobody: %j", async (sub, detail) => {
    const token = await tokenOf(sub);
    for (const domain of [home, `home:${newSubject("carol")}`]) {
      const answer = await join(domain, token);
      expectRefused(answer, detail);
      expect(await rows(domain)).toEqual(UNTOUCHED);
      if (typeof sub === "string" && sub) expect(logged.join() + JSON.stringify(answer.body)).not.toContain(sub);
    }
  });

  it("is told of where another entry of the issuer is for another audience", async () => {
    const TRUSTED_ISSUERS = JSON.stringify([households, { ...households, audience: "urn:tv" }]);
    const answer = await join(home, await tokenOf("auth0|507f1f77"), newGuid(), { TRUSTED_ISSUERS });
    expectRefused(answer, `${why} it may hold only the characters A-Z a-z 0-9 . _ : @ ~ -.`);
  });
});

describe("GET /domains/{domain}", () => {
  const servers = async (domain: string) => (await ask("GET", domain, "")).body.authorizationServers;

  it("names the issuers whose tokens the domain takes, and no subject", async () => {
    const [open, any, games, bound] = ["open", "any", "games", "bound"].map(newSubject) as [
      string,
      string,
      string,
      string,
    ];
    await configure(open, {});
    await configure(any, { authenticationRequired: true });
    await configure(games, { authenticationRequired: true, authNamespace: "games" });
    await configure(bound, { authenticationRequired: true, authNamespace: "home", ownerSubject: alice });
    await join(home, await tokenOf(alice));
    expect(await servers(open)).toEqual([]);
    expect(await servers(any)).toEqual([testIssuer("arcade")]);
    expect(await servers(games)).toEqual([testIssuer("arcade")]);
    expect(await servers(bound)).toEqual([testIssuer("studio")]);
    expect(await servers(home)).toEqual([testIssuer("studio")]);
    expect(JSON.stringify((await ask("GET", bound, "")).body)).not.toContain(alice);
  });

  it("counts the development issuer", async () => {
    const local = { issuer: "urn:local", namespaceClaim: "namespace", namespaces: ["*"], audience: TEST_AUDIENCE };
    const DEVELOPMENT_ISSUER = JSON.stringify({ ...local, jwks: publicKeys("arcade") });
    const domain = newSubject("any");
    await configure(domain, { authenticationRequired: true, authNamespace: "home" });
    const answer = await ask("GET", domain, "", undefined, {}, { DEVELOPMENT_ISSUER });
    expect(answer.body.authorizationServers).toEqual(["urn:local"]);
  });
});

it("keeps no subject of a refused token anywhere", async () => {
  await join(home, await tokenOf(alice));
  await join(home, await tokenOf(bob));
  const kept = await Promise.all(
    ["domain_server_info", "domain_membership", "domain_log", "domain_requests"].map((table) =>
      stored(home, `select * from ${table}`),
    ),
  );
  expect(JSON.stringify(kept)).toContain(alice);
  expect(JSON.stringify(kept)).not.toContain(bob);
  expect(logged.join("\n")).not.toContain(bob);
});
