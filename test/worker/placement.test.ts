import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import worker from "../../src/server/index.ts";
import { isInJurisdiction, objectNamed } from "../../src/server/placement.ts";
import { asAdmin, newDomain, newGuid, ORIGIN } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { setEnvironment } from "../support/worker/objects.ts";

afterEach(() => vi.restoreAllMocks());

const NAMESPACES = ["DOMAIN_OBJECT", "DATABASE_WRITER", "DEVICE_BANS"] as const;

/** The bindings of objects as in a jurisdiction: outside of it there is none. They note what they are asked for. */
function inJurisdiction() {
  const asked: [jurisdiction: string, name: string][] = [];
  const namespaceOf = (binding: (typeof NAMESPACES)[number]) => ({
    jurisdiction: (jurisdiction: string) => ({
      getByName: (name: string, options: object) => {
        asked.push([jurisdiction, name]);
        return (env[binding] as DurableObjectNamespace).getByName(name, options);
      },
    }),
    getByName: () => {
      throw new Error("outside the jurisdiction");
    },
  });
  const bindings = Object.fromEntries(NAMESPACES.map((binding) => [binding, namespaceOf(binding)]));
  return { asked, bindings: { ...bindings, JURISDICTION: "eu" } };
}

async function ask(environment: object, method: string, path: string, body?: object) {
  const context = { waitUntil: () => {}, passThroughOnException: () => {} } as unknown as ExecutionContext;
  const headers = { ...asAdmin, "content-type": "application/json" };
  const request = new Request(`${ORIGIN}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const answer = await worker.fetch(request, { ...env, ...environment } as unknown as Env, context);
  return { status: answer.status, body: await answer.json<Record<string, unknown>>() };
}

describe("a jurisdiction", () => {
  it("has every object: of domains, of databases and of server-wide bans", async () => {
    const { asked, bindings } = inJurisdiction();
    const [domain, device] = [newDomain(), newGuid()];
    await setEnvironment(domain, bindings);
    expect((await ask(bindings, "POST", `/domains/${domain}/register`, { machineGuid: device })).status).toBe(201);
    await expectCopied(domain);
    expect((await ask(bindings, "GET", "/admin/device-bans")).status).toBe(200);
    expect((await ask(bindings, "GET", "/health")).body.copy).not.toBeNull();
    expect(asked.every(([jurisdiction]) => jurisdiction === "eu")).toBe(true);
    expect(asked.map(([, name]) => name)).toEqual(expect.arrayContaining([domain, "DB"]));
    expect(new Set(asked.map(([, name]) => name)).size).toBe(3);
  });

  it.each([
    ["eu", "WEUR", true],
    ["eu", "ENAM", false],
    ["us", "WNAM", true],
    ["us", "APAC", false],
    ["fedramp", "EEUR", false],
    // A local database has no region.
    ["eu", undefined, true],
    [null, "APAC", true],
  ] as const)("%s and a database in %s: %s", (jurisdiction, region, isIn) => {
    expect(isInJurisdiction(jurisdiction, region)).toBe(isIn);
  });

  it("is not well with a database elsewhere, and the log says which and where", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const DB = {
      prepare: (query: string) => env.DB.prepare(query),
      batch: async (statements: D1PreparedStatement[]) =>
        (await env.DB.batch(statements)).map((each) => ({ ...each, meta: { ...each.meta, served_by_region: "APAC" } })),
    };
    const { status, body } = await ask({ ...inJurisdiction().bindings, DB }, "GET", "/health");
    expect([status, body.database]).toEqual([503, "failing"]);
    expect(errors.mock.calls.join()).toMatch(/"database":"DB".*runs in APAC, outside JURISDICTION/);
  });
});

describe("a location hint", () => {
  it("goes with each call, and is left out where none is set", () => {
    const getByName = vi.fn();
    const namespace = { getByName } as unknown as DurableObjectNamespace;
    objectNamed({ ...env, DOMAIN_LOCATION_HINT: "weur" }, namespace, "home");
    objectNamed({ ...env }, namespace, "home");
    expect(getByName.mock.calls).toEqual([
      ["home", { locationHint: "weur" }],
      ["home", {}],
    ]);
  });
});
