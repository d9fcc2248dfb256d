import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  asAdmin,
  ask,
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
} from "../support/worker/client.ts";
import { DEFAULTS, LOGGED_DEFAULTS } from "../support/worker/default-settings.ts";

const MERGE_PATCH = { "content-type": "application/merge-patch+json" };

function merge(domain: string, patch: object | string, headers = {}): Promise<Reply> {
  return reply("PATCH", `/admin/domains/${domain}`, patch, { ...asAdmin, ...headers });
}

function overview(domain: string): Promise<Reply> {
  return reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
}

/** A refusal of a body, which names these members and no others. */
function expectFieldsAtFault({ status, body }: Reply, fields: string[]) {
  expect(status).toBe(400);
  expect(body).toMatchObject({ error: "INVALID_REQUEST", status: 400 });
  expect([...new Set(body.errors.map(({ field }: { field: string }) => field))].sort()).toEqual(fields);
}

/** The record of the last commit of a domain. */
async function lastChanges(domain: string) {
  return JSON.parse((await rows(domain)).log.at(-1)?.changes as string);
}

describe("without the admin token, everything under /admin is denied", () => {
  const token = env.ADMIN_TOKEN;
  const CREDENTIALS: [string, Record<string, string>][] = [
    ["no credential", {}],
    ["an empty one", { authorization: "" }],
    ["a scheme alone", { authorization: "Bearer" }],
    ["the token without a scheme", { authorization: token }],
    ["the token in the scheme Basic", { authorization: `Basic ${token}` }],
    ["the token as a Basic user", { authorization: `Basic ${btoa(`${token}:`)}` }],
    ["the token as a Basic password", { authorization: `Basic ${btoa(`admin:${token}`)}` }],
    ["a wrong token", { authorization: `Bearer ${"x".repeat(token.length)}` }],
    ["a token that is wrong in its last character", { authorization: `Bearer ${token.slice(0, -1)}~` }],
    ["a prefix of the token", { authorization: `Bearer ${token.slice(0, -1)}` }],
    ["the token and more", { authorization: `Bearer ${token}x` }],
    ["the token twice", { authorization: `Bearer ${token} ${token}` }],
    ["the token in another case", { authorization: `Bearer ${token.toUpperCase()}` }],
    ["the token in another header", { "x-admin-token": token, cookie: `token=${token}` }],
  ];
  const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
  const PATHS = [
    "/admin",
    "/admin/",
    "/admin/anything",
    "/admin/anything/at/all",
    "/admin/domains",
    "/admin/domains/",
    "/admin/domains/x",
    "/admin/domains/x/log",
    "/admin/domains/-",
    "/admin//domains/x",
    "/%61dmin/domains/x",
    "/%61%64%6d%69%6e",
    "/domains/../admin/domains/x",
    "/admin?token=",
  ];

  it.each(CREDENTIALS)("with %s", async (_, headers) => {
    for (const path of PATHS) {
      for (const method of METHODS) {
        const asked = path.endsWith("=") ? `${path}${token}` : path;
        const answer = await ask(method, asked, method === "PUT" ? {} : undefined, headers);
        const text = await answer.text();
        expect(answer.status, `${method} ${path}`).toBe(401);
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
        expect(answer.headers.get("cache-control")).toBe("no-store");
        expect(text).not.toContain(token.slice(0, 16));
        if (method !== "HEAD") expect(JSON.parse(text).error).toBe("ADMIN_AUTHENTICATION_REQUIRED");
      }
    }
    expect((await rows("x")).log).toEqual([]);
  });

  it("nobody learns from an answer what is there and what is well formed", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const asked = [
      await ask("GET", `/admin/domains/${domain}`),
      await ask("GET", "/admin/domains/unknown"),
      await ask("GET", "/admin/domains/..-"),
      await ask("POST", `/admin/domains/${domain}`),
      await ask("PUT", `/admin/domains/${domain}`, "{"),
    ];
    const [first, ...others] = await Promise.all(asked.map((answer) => answer.json()));
    for (const other of others) expect(other).toEqual(first);
  });
});

describe("with the admin token", () => {
  it("the scheme may be in any case", async () => {
    const domain = newDomain();
    await configure(domain, {});
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      const authorization = `${scheme} ${env.ADMIN_TOKEN}`;
      expect((await reply("GET", `/admin/domains/${domain}`, undefined, { authorization })).status).toBe(200);
    }
  });

  it.each(["/admin", "/admin/", "/admin/anything", "/admin/domains/x/nothing", "/admin//domains/x"])(
    "there is nothing at %s",
    async (path) => {
      const answer = await reply("GET", path, undefined, asAdmin);
      expect(answer.status).toBe(404);
      expect(answer.body).toMatchObject({ error: "NOT_FOUND", status: 404 });
    },
  );
});

describe("GET", () => {
  it("an unknown domain is not found, and not created", async () => {
    const domain = newDomain();
    const answer = await overview(domain);
    expect(answer.status).toBe(404);
    expect(answer.body).toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404 });
    expect(await rows(domain)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it("shows the settings and what became of the domain", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await register(domain, newGuid());
    await deregister(domain, guid);
    const { status, body } = await overview(domain);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      domain,
      ...DEFAULTS,
      keyVersion: 1,
      keyRolloverRequired: true,
      memberCount: 1,
      revision: 3,
    });
    const times = [body.createdAt, body.updatedAt];
    for (const time of times) expect(new Date(time).toISOString()).toBe(time);
    expect(times.toSorted()).toEqual(times);
    expect(JSON.stringify(body)).not.toContain(guid);
  });
});

describe("PUT", () => {
  const all = { authenticationRequired: true, authNamespace: "studio", maxMembership: 7, deviceKeyRequired: true };

  it("creates a domain with what is given, and defaults for the rest", async () => {
    const domain = newDomain();
    const created = await configure(domain, { maxMembership: 3 });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ domain, ...DEFAULTS, maxMembership: 3 });
    expect(await overview(domain)).toMatchObject({ status: 200, body: created.body });
    expect((await rows(domain)).log).toHaveLength(1);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("creates a domain as a first registration would: without a key, and with a rollover due", async () => {
    const domain = newDomain();
    const { body } = await configure(domain, {});
    expect(body).toMatchObject({ ...DEFAULTS, keyVersion: 0, keyRolloverRequired: true, memberCount: 0, revision: 1 });
    expect((await register(domain, newGuid())).body.keyVersion).toBe(1);
  });

  it("replaces: what it leaves out takes its default", async () => {
    const domain = newDomain();
    expect((await configure(domain, all)).body).toMatchObject(all);
    const replaced = await configure(domain, { maxMembership: 9 });
    expect(replaced.status).toBe(200);
    expect(replaced.body).toMatchObject({ ...DEFAULTS, maxMembership: 9 });
    expect((await configure(domain, {})).body).toMatchObject(DEFAULTS);
    expect((await rows(domain)).info).toMatchObject({
      authentication_required: 0,
      auth_namespace: null,
      max_membership: null,
      device_key_required: 0,
    });
  });

  it("leaves members and keys as they are", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const { members, keys } = await rows(domain);
    await configure(domain, all);
    expect(await rows(domain)).toMatchObject({ members, keys, info: { key_rollover_required: 0, member_count: 1 } });
  });

  it("takes null only where a setting may be none", async () => {
    const domain = newDomain();
    expect((await configure(domain, { authNamespace: null, maxMembership: null })).status).toBe(201);
    expectFieldsAtFault(await configure(domain, { authenticationRequired: null, deviceKeyRequired: null }), [
      "authenticationRequired",
      "deviceKeyRequired",
    ]);
  });

  it("with If-None-Match: * creates a domain, and leaves one that exists as it is", async () => {
    const create = (name: string, settings: object) =>
      reply("PUT", `/admin/domains/${name}`, settings, { ...asAdmin, "if-none-match": "*" });
    const domain = newDomain();
    const created = await create(domain, { maxMembership: 3 });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ ...DEFAULTS, maxMembership: 3 });
    const again = await create(domain, {});
    expect(again.status).toBe(412);
    expect(again.body).toMatchObject({ error: "DOMAIN_EXISTS", status: 412 });
    expect(await overview(domain)).toMatchObject({ status: 200, body: created.body });

    const other = newDomain();
    const both = await Promise.all([1, 2].map((maxMembership) => create(other, { maxMembership })));
    expect(both.map(({ status }) => status).toSorted()).toEqual([201, 412]);
    expect((await overview(other)).body).toEqual(both.find(({ status }) => status === 201)?.body);
  });

  it("does not take a merge patch", async () => {
    const domain = newDomain();
    const answer = await reply("PUT", `/admin/domains/${domain}`, {}, { ...asAdmin, ...MERGE_PATCH });
    expect(answer.status).toBe(415);
    expect((await overview(domain)).status).toBe(404);
  });
});

describe("PATCH", () => {
  it.each(["application/json", "application/merge-patch+json", "application/merge-patch+json; charset=utf-8"])(
    "merges a body of type %s",
    async (type) => {
      const domain = newDomain();
      await configure(domain, { authenticationRequired: true, authNamespace: "studio", maxMembership: 7 });
      const merged = await merge(domain, { maxMembership: 9 }, { "content-type": type });
      expect(merged.status).toBe(200);
      const settings = { ...DEFAULTS, authenticationRequired: true, authNamespace: "studio", maxMembership: 9 };
      expect(merged.body).toMatchObject({ domain, ...settings });
      expect((await overview(domain)).body).toEqual(merged.body);
    },
  );

  it("resets what is null, and nothing else", async () => {
    const domain = newDomain();
    const all = { authenticationRequired: true, authNamespace: "studio", maxMembership: 7, deviceKeyRequired: true };
    await configure(domain, all);
    expect((await merge(domain, { maxMembership: null })).body).toMatchObject({ ...all, maxMembership: null });
    expect((await merge(domain, { deviceKeyRequired: null })).body).toMatchObject({
      ...all,
      maxMembership: null,
      deviceKeyRequired: false,
    });
    expect((await merge(domain, { authNamespace: null, authenticationRequired: null })).body).toMatchObject(DEFAULTS);
  });

  it("does not create an unknown domain", async () => {
    const domain = newDomain();
    for (const patch of [{}, { maxMembership: 3 }, { authNamespace: "studio" }]) {
      const answer = await merge(domain, patch);
      expect(answer.status).toBe(404);
      expect(answer.body).toMatchObject({ error: "DOMAIN_NOT_FOUND" });
    }
    expect(await rows(domain)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it.each(["application/json-patch+json", "text/plain", "application/merge-patch"])(
    "does not take a body of type %s",
    async (type) => {
      const domain = newDomain();
      await configure(domain, {});
      expect((await merge(domain, { maxMembership: 3 }, { "content-type": type })).status).toBe(415);
      expect((await overview(domain)).body.maxMembership).toBeNull();
    },
  );
});

describe("settings that cannot be", () => {
  const INVALID: [object | string, string[]][] = [
    [{ maxMembership: -1 }, ["maxMembership"]],
    [{ maxMembership: 1.5 }, ["maxMembership"]],
    [{ maxMembership: Number.MAX_SAFE_INTEGER + 1 }, ["maxMembership"]],
    ['{"maxMembership":1e400}', ["maxMembership"]],
    [{ maxMembership: "3" }, ["maxMembership"]],
    [{ maxMembership: true }, ["maxMembership"]],
    [{ maxMembership: [3] }, ["maxMembership"]],
    [{ authenticationRequired: "true" }, ["authenticationRequired"]],
    [{ authenticationRequired: 1 }, ["authenticationRequired"]],
    [{ deviceKeyRequired: "no" }, ["deviceKeyRequired"]],
    [{ rolloverIntervalSeconds: -1 }, ["rolloverIntervalSeconds"]],
    [{ rolloverIntervalSeconds: 0.5 }, ["rolloverIntervalSeconds"]],
    [{ rolloverIntervalSeconds: 31_536_001 }, ["rolloverIntervalSeconds"]],
    [{ rolloverIntervalSeconds: "60" }, ["rolloverIntervalSeconds"]],
    [{ retireAfterDays: 0 }, ["retireAfterDays"]],
    [{ retireAfterDays: 1.5 }, ["retireAfterDays"]],
    [{ retireAfterDays: 36_501 }, ["retireAfterDays"]],
    [{ retireAfterDays: false }, ["retireAfterDays"]],
    [{ authenticationRequired: true, authNamespace: "" }, ["authNamespace"]],
    [{ authenticationRequired: true, authNamespace: "n".repeat(129) }, ["authNamespace"]],
    [{ authenticationRequired: true, authNamespace: 7 }, ["authNamespace"]],
    [{ authenticationRequired: true, authNamespace: "studio\ud800" }, ["authNamespace"]],
    [{ authenticationRequired: true, authNamespace: ["studio"] }, ["authNamespace"]],
    [{ maxMembers: 3 }, ["maxMembers"]],
    [{ memberCount: 0, revision: 1, keyRolloverRequired: false }, ["keyRolloverRequired", "memberCount", "revision"]],
    ['{"__proto__":{"maxMembership":1},"constructor":{}}', ["__proto__", "constructor"]],
    [{ maxMembership: -1, deviceKeyRequired: 0, other: 1 }, ["deviceKeyRequired", "maxMembership", "other"]],
    // A namespace of which no token is asked for: somebody thinks that a domain is protected, and it is not.
    [{ authNamespace: "studio" }, ["authNamespace"]],
    [{ authNamespace: "studio", authenticationRequired: false }, ["authNamespace"]],
    ["[]", ["body"]],
    ["null", ["body"]],
    ["3", ["body"]],
    ["{", ["body"]],
    ["", ["body"]],
  ];

  it.each(INVALID)("%j", async (settings, fields) => {
    const [unknown, known] = [newDomain(), newDomain()];
    await configure(known, { maxMembership: 5 });
    const before = await rows(known);
    expectFieldsAtFault(await reply("PUT", `/admin/domains/${unknown}`, settings, asAdmin), fields);
    expectFieldsAtFault(await reply("PUT", `/admin/domains/${known}`, settings, asAdmin), fields);
    expectFieldsAtFault(await merge(known, settings), fields);
    expectFieldsAtFault(await merge(known, settings, MERGE_PATCH), fields);
    expect(await rows(known)).toEqual(before);
    expect((await overview(unknown)).status).toBe(404);
  });

  it("are found against the settings that hold, for a merge", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true, authNamespace: "studio" });
    const before = await rows(domain);
    for (const authenticationRequired of [false, null]) {
      expectFieldsAtFault(await merge(domain, { authenticationRequired }), ["authNamespace"]);
    }
    expect(await rows(domain)).toEqual(before);
    expect((await merge(domain, { authenticationRequired: false, authNamespace: null })).status).toBe(200);
    expect((await merge(domain, { authNamespace: "arcade", authenticationRequired: true })).status).toBe(200);
  });

  it("stop short of what can be: the extremes are kept exactly", async () => {
    const domain = newDomain();
    const authNamespace = "n".repeat(128);
    for (const maxMembership of [0, Number.MAX_SAFE_INTEGER]) {
      const settings = { authenticationRequired: true, authNamespace, maxMembership };
      expect((await configure(domain, settings)).body).toMatchObject(settings);
    }
    for (const times of [
      { rolloverIntervalSeconds: 0, retireAfterDays: 1 },
      { rolloverIntervalSeconds: 31_536_000, retireAfterDays: 36_500 },
    ]) {
      expect((await configure(domain, times)).body).toMatchObject(times);
    }
  });
});

describe("a change of settings in the history", () => {
  const settings = { ...LOGGED_DEFAULTS, maxMembership: 7 };

  it("that changes nothing makes no commit", async () => {
    const domain = newDomain();
    await configure(domain, settings);
    const before = await rows(domain);
    expect((await configure(domain, settings)).status).toBe(200);
    expect((await configure(domain, { maxMembership: 7 })).status).toBe(200);
    expect((await merge(domain, {})).status).toBe(200);
    expect((await merge(domain, { maxMembership: 7, authNamespace: null })).status).toBe(200);
    expect((await merge(domain, { deviceKeyRequired: null })).body.revision).toBe(1);
    expect(await rows(domain)).toEqual(before);
  });

  it("is one revision, with the settings before and after", async () => {
    const domain = newDomain();
    await configure(domain, settings);
    expect(await lastChanges(domain)).toEqual([
      expect.objectContaining({ type: "domain-created" }),
      expect.objectContaining({ type: "settings-changed", settings, previous: LOGGED_DEFAULTS }),
    ]);

    const merged = await merge(domain, { authenticationRequired: true, authNamespace: "studio" });
    expect(merged.body.revision).toBe(2);
    const next = { ...settings, authenticationRequired: true, authNamespace: "studio" };
    expect(await lastChanges(domain)).toEqual([
      expect.objectContaining({ type: "settings-changed", settings: next, previous: settings }),
    ]);

    const replaced = await configure(domain, {});
    expect(replaced.body.revision).toBe(3);
    expect(await lastChanges(domain)).toEqual([
      expect.objectContaining({ type: "settings-changed", settings: LOGGED_DEFAULTS, previous: next }),
    ]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("says nothing of settings if a domain is created with the defaults", async () => {
    const domain = newDomain();
    await configure(domain, {});
    expect(await lastChanges(domain)).toEqual([expect.objectContaining({ type: "domain-created" })]);
  });
});

describe("a maximum below the present count", () => {
  it("evicts nobody, admits nobody, and renews who is in", async () => {
    const domain = newDomain();
    const members = [newGuid(), newGuid(), newGuid()];
    for (const guid of members) await register(domain, guid);
    expect((await merge(domain, { maxMembership: 1 })).body).toMatchObject({ maxMembership: 1, memberCount: 3 });
    const before = await rows(domain);
    expect(before.members).toHaveLength(3);
    expect((await register(domain, newGuid())).body).toMatchObject({ error: "DOM_LIMIT_REACHED", code: 502 });
    for (const guid of members) expect((await register(domain, guid)).status).toBe(200);
    expect(await rows(domain)).toEqual(before);
  });

  it("admits again only when the count has fallen below it", async () => {
    const domain = newDomain();
    const members = [newGuid(), newGuid(), newGuid()];
    for (const guid of members) await register(domain, guid);
    await merge(domain, { maxMembership: 2 });
    for (const guid of members.slice(1)) {
      expect((await register(domain, newGuid())).status).toBe(409);
      await deregister(domain, guid);
    }
    expect((await register(domain, newGuid())).status).toBe(201);
    expect((await register(domain, newGuid())).status).toBe(409);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("admits again as soon as it is raised, or gone", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    await merge(domain, { maxMembership: 0 });
    expect((await register(domain, newGuid())).status).toBe(409);
    await merge(domain, { maxMembership: 2 });
    expect((await register(domain, newGuid())).status).toBe(201);
    expect((await register(domain, newGuid())).status).toBe(409);
    await merge(domain, { maxMembership: null });
    expect((await register(domain, newGuid())).status).toBe(201);
  });

  it("of 0 makes a domain that nobody can join", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 0 });
    expect((await register(domain, newGuid())).status).toBe(409);
    expect((await rows(domain)).keys).toEqual([]);
  });
});

it("problems of administration are described at an absolute address", async () => {
  for (const answer of [await reply("GET", "/admin"), await reply("GET", "/admin/none", undefined, asAdmin)]) {
    expect(new URL(answer.body.type).origin).toBe(ORIGIN);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  }
});
