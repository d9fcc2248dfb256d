import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { mintToken } from "../support/issuers.ts";
import { asAdmin, ask, configure, newDomain, newGuid, register } from "../support/worker/client.ts";
import { asOperator, everything, operate } from "../support/worker/operators.ts";

const SCOPES = ["domains:read", "domains:write", "domains:evict", "metrics:read"];

/** Every route for operators: the scope it takes, the status it grants with, and a body where it wants one. */
const ROUTES: Record<string, [scope: string, status: number, body?: object]> = {
  "GET /admin/domains": ["domains:read", 200],
  "GET /admin/domains/:domain": ["domains:read", 200],
  "PUT /admin/domains/:domain": ["domains:write", 200, { maxMembership: 7 }],
  "PATCH /admin/domains/:domain": ["domains:write", 200, { maxMembership: 7 }],
  "DELETE /admin/domains/:domain": ["domains:write", 400],
  "POST /admin/domains/delete-idle": ["domains:write", 200, { idleSince: "2020-01-01T00:00:00Z" }],
  "GET /admin/deletions": ["domains:write", 200],
  "POST /admin/domains/:domain/rollover": ["domains:write", 200, { when: "now" }],
  "POST /admin/domains/:domain/copy": ["domains:write", 200],
  "GET /admin/domains/:domain/key-versions": ["domains:read", 200],
  "GET /admin/metrics": ["metrics:read", 200],
  "GET /admin/key-encryption": ["domains:read", 200],
  "POST /admin/key-encryption/rewrap": ["domains:write", 200],
  "GET /admin/domains/:domain/members": ["domains:read", 200],
  "GET /admin/domains/:domain/members/:device": ["domains:read", 200],
  "DELETE /admin/domains/:domain/members/:device": ["domains:evict", 200],
  "GET /admin/domains/:domain/bans": ["domains:read", 200],
  "PUT /admin/domains/:domain/retired-keys": ["domains:write", 200, { upTo: 0 }],
  "PUT /admin/domains/:domain/bans/:device": ["domains:evict", 201, { reason: "stolen" }],
  "DELETE /admin/domains/:domain/bans/:device": ["domains:evict", 404],
  "GET /admin/devices/:device": ["domains:read", 200],
  "DELETE /admin/devices/:device/domains": ["domains:evict", 200],
  "PUT /admin/devices/:device/ban": ["domains:evict", 201, { reason: "stolen" }],
  "DELETE /admin/devices/:device/ban": ["domains:evict", 404],
  "GET /admin/device-bans": ["domains:read", 200],
  "GET /admin/domains/:domain/log": ["domains:read", 200],
  "GET /admin/domains/:domain/log/head": ["domains:read", 200],
  "GET /admin/domains/:domain/log/export": ["domains:read", 200],
  "GET /admin/domains/:domain/audit": ["domains:read", 200],
  "GET /admin/domains/:domain/activity": ["domains:read", 200],
};

/** The namespaces of the issuers that the test server trusts. */
const AUTH_NAMESPACES = ["studio", "arcade", "office"];

/** The one route for every operator, whatever the scopes. */
const OWN = "GET /admin/operator";

/** A domain with one member, and a way to ask a route about the two. */
async function inhabited() {
  const [domain, member] = [newDomain(), newGuid()];
  await register(domain, member);
  const askRoute = async (route: string, headers: Record<string, string>) => {
    const [method, path] = route.split(" ") as [string, string];
    const address = path.replace(":domain", domain).replace(":device", member);
    const answer = await ask(method, address, ROUTES[route]?.[2], headers);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  return { domain, askRoute };
}

describe("the routes under /admin", () => {
  it("are these and no others", () => {
    const routes = createApp().routes.filter(({ method, path }) => method !== "ALL" && path.includes("admin"));
    expect([...new Set(routes.map(({ method, path }) => `${method} ${path}`))].sort()).toEqual(
      [...Object.keys(ROUTES), OWN].sort(),
    );
  });

  describe.each(Object.entries(ROUTES))("%s", (route, [scope, granted]) => {
    it("wants a credential", async () => {
      const { domain, askRoute } = await inhabited();
      const before = await everything(domain);
      const answer = await askRoute(route, {});
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.text).error).toBe("ADMIN_AUTHENTICATION_REQUIRED");
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(await everything(domain)).toEqual(before);
    });

    it.each([SCOPES.filter((each) => each !== scope).join(" "), "", "domains", `${scope}s`, scope.toUpperCase()])(
      "wants more than the scope '%s'",
      async (tooLittle) => {
        const { domain, askRoute } = await inhabited();
        const before = await everything(domain);
        const answer = await askRoute(route, await asOperator(tooLittle));
        expect(answer.status).toBe(403);
        expect(JSON.parse(answer.text)).toMatchObject({ error: "ADMIN_SCOPE_REQUIRED", status: 403 });
        expect(answer.headers.get("www-authenticate")).toBe(`Bearer error="insufficient_scope", scope="${scope}"`);
        expect(await everything(domain)).toEqual(before);
      },
    );

    it.each([scope, `openid ${scope} email`, SCOPES.join(" ")])("grants the scope '%s'", async (enough) => {
      const { askRoute } = await inhabited();
      expect((await askRoute(route, await asOperator(enough))).status).toBe(granted);
    });

    it("grants the admin token", async () => {
      const { askRoute } = await inhabited();
      expect((await askRoute(route, asAdmin)).status).toBe(granted);
    });
  });
});

describe(OWN, () => {
  const asks = async (headers: Record<string, string>) => {
    const response = await ask("GET", "/admin/operator", undefined, headers);
    return { status: response.status, body: await response.json() };
  };

  it("says who the admin token is, and that it has every scope", async () => {
    const body = { identity: "admin-token", scopes: SCOPES, authNamespaces: AUTH_NAMESPACES };
    expect(await asks(asAdmin)).toEqual({ status: 200, body });
  });

  it("says what a token may do, as far as its issuer may say so", async () => {
    const identity = "https://office.example#someone";
    expect(await asks(await asOperator("openid domains:evict domains:read"))).toEqual({
      status: 200,
      body: { identity, scopes: ["domains:read", "domains:evict"], authNamespaces: AUTH_NAMESPACES },
    });
    const mayNothing = { identity, scopes: [], authNamespaces: AUTH_NAMESPACES };
    expect(await asks(await asOperator(""))).toEqual({ status: 200, body: mayNothing });
  });

  it.each([{}, { authorization: "Bearer x" }])("tells nobody else anything (%j)", async (headers) => {
    expect(await asks(headers as Record<string, string>)).toMatchObject({
      status: 401,
      body: { error: "ADMIN_AUTHENTICATION_REQUIRED" },
    });
  });
});

describe("a scoped token", () => {
  const all = SCOPES.join(" ");
  const asks = async (headers: object) => (await operate("GET", "", undefined, headers)).status;

  it("of an issuer that nobody said may name operators lets nobody in, whatever its scope", async () => {
    const studio = await mintToken("studio", env.TEST_ISSUER_KEYS.studio, { claims: { scope: all } });
    expect(await asks({ authorization: `Bearer ${studio}` })).toBe(401);
  });

  it("that is bound to a key lets nobody in, for nobody proves to hold the key", async () => {
    for (const cnf of [{ jkt: "thumbprint" }, { "x5t#S256": "hash" }, {}, null, "key"]) {
      expect(await asks(await asOperator(all, { claims: { cnf } })), JSON.stringify(cnf)).toBe(401);
    }
  });

  it.each([
    ["that has expired", { expires: -3600 }],
    ["that never expires", { expires: null }],
    ["that is not valid yet", { notBefore: 3600, expires: 7200 }],
    ["for another audience", { audience: "https://films.example" }],
    ["that says it is of another issuer", { issuer: "https://studio.example" }],
  ])("%s lets nobody in", async (_, twist) => {
    expect(await asks(await asOperator(all, twist))).toBe(401);
  });

  it("signed by another issuer lets nobody in", async () => {
    const { kid } = env.TEST_ISSUER_KEYS.office;
    const forged = await mintToken(
      "office",
      { ...env.TEST_ISSUER_KEYS.studio, kid: kid as string },
      {
        claims: { scope: all },
      },
    );
    expect(await asks({ authorization: `Bearer ${forged}` })).toBe(401);
  });

  it.each([[SCOPES], [{ "domains:read": true }], [7], [null]])("whose scope is %j may do nothing", async (scope) => {
    expect(await asks(await asOperator("", { claims: { scope } }))).toBe(403);
  });

  it("may be without a scope, and may do nothing", async () => {
    const bare = await mintToken("office", env.TEST_ISSUER_KEYS.office);
    expect(await asks({ authorization: `Bearer ${bare}` })).toBe(403);
  });

  it("is named in the log by its issuer and subject", async () => {
    const domain = newDomain();
    await configure(domain, {});
    await operate("PATCH", `/${domain}`, { maxMembership: 3 }, await asOperator("domains:write"));
    const { body } = await operate("GET", `/${domain}/log`);
    expect(body.entries[0].changes).toEqual([
      expect.objectContaining({ type: "settings-changed", by: "https://office.example#someone" }),
    ]);
  });

  it("cannot make its operator's name longer than the log takes", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const headers = await asOperator("domains:write", { claims: { sub: "s".repeat(3_000) } });
    await operate("PATCH", `/${domain}`, { maxMembership: 3 }, headers);
    const [change] = (await operate("GET", `/${domain}/log`)).body.entries[0].changes;
    expect(change.by).toMatch(/^https:\/\/office\.example#s+$/);
    expect(change.by.length).toBeLessThanOrEqual(200);
  });
});

describe("an assertion of Cloudflare Access", () => {
  it("counts for nothing where Access is not configured", async () => {
    const token = await mintToken("office", env.TEST_ISSUER_KEYS.office, { claims: { scope: SCOPES.join(" ") } });
    for (const assertion of [token, "x", env.ADMIN_TOKEN]) {
      expect((await operate("GET", "", undefined, { "cf-access-jwt-assertion": assertion })).status).toBe(401);
    }
  });

  it("that counts for nothing does not spoil the credential beside it", async () => {
    const headers = { ...asAdmin, "cf-access-jwt-assertion": "x" };
    expect((await operate("GET", "", undefined, headers)).status).toBe(200);
  });
});
