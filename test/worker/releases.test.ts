import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { asAdmin, newDomain, newGuid, ORIGIN, rows } from "../support/worker/client.ts";

// While a new release spreads, Workers of one meet objects of the other. What they say to each other is written out here as
// the first release said it: it must stay understood.

const CONTEXT = { issuer: ORIGIN, creator: null };
const guid = newGuid();

/** The calls that the Worker of the first release makes to an object. */
const ASKED = {
  register: {
    type: "register",
    requestId: "1b671a64-40d5-491e-99b0-da01ff1f3341",
    machineGuid: guid,
    auth: { kind: "none" },
    afterKeyVersion: 0,
    maxCredentials: 100,
    proof: null,
    sealed: false,
  },
  deregister: {
    type: "deregister",
    requestId: "8f14e45f-ceea-467f-a1de-2f1d0f3c8e11",
    machineGuid: guid,
    auth: { kind: "none" },
    preview: false,
    proof: null,
    idempotencyKey: null,
  },
  settings: {
    type: "settings",
    requestId: "c9f0f895-fb98-4b91-99f3-1a2b3c4d5e6f",
    by: "admin-token",
    mode: "merge",
    patch: { maxMembership: 5 },
  },
  rollover: { type: "rollover", requestId: "45c48cce-2e2d-4fbd-aa1a-8e9f0a1b2c3d", by: "admin-token", when: "now" },
} as const;

/** The answers of an object of the first release. */
const ANSWERED = {
  register: {
    granted: true,
    grant: {
      newMember: true,
      credentialsAfter: 0,
      keyVersion: 1,
      credentials: JSON.stringify([
        {
          keyVersion: 1,
          token: "a.b.c",
          expiresAt: "2027-01-15T08:00:00.000Z",
          privateKey: { kty: "EC", crv: "P-256", kid: "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s", key_version: 1 },
        },
      ]),
    },
  },
  deregister: { granted: true, grant: { deregistered: true } },
  settings: { granted: true, grant: { settings: {}, created: false, copied: true } },
  rollover: { granted: true, grant: { keyVersion: 2, copied: true } },
} as const;

/** The answer of an object of the first release that is asked for a domain's keys. */
const KEY_SET = {
  granted: true,
  grant: { value: { keys: [], lostUpTo: 0, currentKeyVersion: null, statement: "a.b.c" } },
} as const;

describe("an object of this release", () => {
  it("understands a Worker of the first one", async () => {
    const domain = newDomain();
    const object = env.DOMAIN_OBJECT.getByName(domain);
    const execute = object.execute as unknown as (
      command: object,
      context: object,
    ) => Promise<{ granted: boolean; grant: object }>;
    const ask = (name: keyof typeof ASKED) => execute(ASKED[name], CONTEXT);
    const registered = await ask("register");
    expect(Object.keys(registered.grant)).toEqual(expect.arrayContaining(Object.keys(ANSWERED.register.grant)));
    expect(registered).toMatchObject({ granted: true, grant: { newMember: true, keyVersion: 1 } });
    expect(await ask("settings")).toMatchObject({ granted: true, grant: { created: false } });
    expect(await ask("rollover")).toEqual(ANSWERED.rollover);
    expect(await ask("deregister")).toEqual(ANSWERED.deregister);
    const keySet = object.keySet as unknown as (...args: unknown[]) => Promise<object>;
    const keys = await keySet(ASKED.register.requestId, { before: null }, ORIGIN);
    const key = (keyVersion: number) => ({ keyVersion, publicJwk: expect.any(String) });
    expect(keys).toEqual({
      granted: true,
      grant: { value: { keys: [key(1), key(2)], lostUpTo: 0, currentKeyVersion: null, statement: expect.any(String) } },
    });
    const { info, members } = await rows(domain);
    expect(info).toMatchObject({ max_membership: 5, revision: 4, member_count: 0 });
    expect(members).toEqual([]);
  });
});

describe("a Worker of this release", () => {
  /** Asks a Worker whose objects are of the first release: they answer as it did, and know no more than it did. */
  async function ask(method: string, path: string, body?: object) {
    const asked: [string, object][] = [];
    const object: Record<string, (...args: never[]) => Promise<object>> = {
      execute: async (command: { type: keyof typeof ANSWERED }) => {
        asked.push([command.type, command]);
        return ANSWERED[command.type];
      },
      keySet: async () => KEY_SET,
    };
    // What the runtime says when a method is not there.
    const missing = (name: string) => async () => {
      throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
    };
    const objects = {
      getByName: () => new Proxy(object, { get: (known, name: string) => known[name] ?? missing(name) }),
    };
    const request = new Request(`${ORIGIN}${path}`, {
      method,
      headers: { "content-type": "application/json", ...(path.startsWith("/admin/") ? asAdmin : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const response = await createApp().fetch(request, { ...env, DOMAIN_OBJECT: objects } as unknown as Env);
    return { status: response.status, headers: response.headers, body: await response.json(), asked };
  }

  it("understands an object of the first one, and asks nothing it could not", async () => {
    const registered = await ask("POST", "/domains/den/register", { machineGuid: guid });
    expect(registered).toMatchObject({ status: 201, body: { newMember: true, credentials: [{ keyVersion: 1 }] } });
    expect(registered.asked[0]?.[1]).toMatchObject({ ...ASKED.register, requestId: expect.any(String) });
    const left = await ask("POST", "/domains/den/deregister", { machineGuid: guid });
    expect(left).toMatchObject({ status: 200, body: { deregistered: true } });
    expect(left.asked[0]?.[1]).toMatchObject({ ...ASKED.deregister, requestId: expect.any(String) });
    const keys = await ask("GET", "/domains/den/keys");
    expect(keys).toMatchObject({ status: 200, body: { keys: [], currentKeyVersion: null } });
  });

  it("has what that object does not know asked again later", async () => {
    const { status, headers, body: problem } = await ask("POST", "/admin/domains/den/copy");
    expect(status).toBe(503);
    expect(problem).toMatchObject({ error: "TEMPORARILY_UNAVAILABLE" });
    expect(headers.get("retry-after")).not.toBeNull();
  });

  it("knows by what the runtime says that a method is missing", async () => {
    const object = env.DOMAIN_OBJECT.getByName(newDomain()) as unknown as { notYet(): Promise<void> };
    const failure = await object.notYet().catch((error) => error);
    expect(failure).toBeInstanceOf(TypeError);
    expect(failure.message).toMatch(/RPC receiver does not implement/);
  });
});
