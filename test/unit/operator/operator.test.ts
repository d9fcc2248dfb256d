import { beforeEach, describe, expect, it } from "vitest";
import { DomainOperator, OperatorError, type OperatorOptions } from "../../../src/operator/index.ts";

const ORIGIN = "https://domains.example";

/** A request as the fake server saw it. */
type Seen = Readonly<{ method: string; path: string; body: unknown; authorization: string | null; redirect: unknown }>;

type Fate = () => Response | Promise<Response>;

let seen: Seen[];
let pauses: number[];
let fates: Fate[];

/** Meets its fate: the next one, or the last for ever. */
const fakeFetch: typeof fetch = async (input, init) => {
  const { pathname, search } = new URL(String(input));
  seen.push({
    method: init?.method ?? "GET",
    path: pathname + search,
    body: init?.body ? JSON.parse(String(init.body)) : null,
    authorization: new Headers(init?.headers).get("authorization"),
    redirect: init?.redirect,
  });
  const fate = fates.length > 1 ? fates.shift() : fates[0];
  return (fate as Fate)();
};

const operator = (options: OperatorOptions = {}) =>
  new DomainOperator(`${ORIGIN}/console`, {
    token: "a-token",
    fetch: fakeFetch,
    pause: async (milliseconds) => {
      pauses.push(milliseconds);
    },
    ...options,
  });

const answer = (body: unknown, status = 200) => Response.json(body, { status });
const refusal = (status: number, error: string, headers: Record<string, string> = {}, more: object = {}) => {
  const body = { type: `${ORIGIN}/problems/x`, title: "No", status, error, ...more };
  return Response.json(body, { status, headers: { "x-request-id": "request-1", ...headers } });
};
const lines = (text: string) => new Response(text, { headers: { "content-type": "application/jsonl" } });
const lost: Fate = () => Promise.reject(new TypeError("fetch failed"));
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (thrown) => thrown,
  );

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

beforeEach(() => {
  seen = [];
  pauses = [];
  fates = [];
});

describe("a request", () => {
  it("goes to the server's origin with the token, and nowhere else that a response names", async () => {
    fates = [() => answer({ domain: "den", memberCount: 2 })];
    expect(await operator().domain("den").overview()).toEqual({ domain: "den", memberCount: 2 });
    expect(seen).toEqual([
      { method: "GET", path: "/admin/domains/den", body: null, authorization: "Bearer a-token", redirect: "manual" },
    ]);
  });

  it("sends no token where there is none, and none to what anybody may ask", async () => {
    fates = [() => answer({ status: "failing", copy: null }, 503), () => answer({})];
    expect(await operator().health()).toEqual({ status: "failing", copy: null });
    await operator({ token: "" }).domain("den").overview();
    await operator().domain("den").publicKeys({ version: 2 });
    expect(seen.map(({ path, authorization }) => [path, authorization])).toEqual([
      ["/health", null],
      ["/admin/domains/den", null],
      ["/domains/den/keys?version=2", null],
    ]);
  });

  it("about the health of a server that cannot say it fails", async () => {
    const problem = { status: 503, error: "TEMPORARILY_UNAVAILABLE", title: "Temporarily unavailable" };
    const headers = { "content-type": "application/problem+json" };
    fates = Array.from({ length: 5 }, () => () => new Response(JSON.stringify(problem), { status: 503, headers }));
    expect(await failureOf(operator().health())).toMatchObject({ error: "TEMPORARILY_UNAVAILABLE", status: 503 });
  });

  it.each([
    ["merges settings", () => operator().domain("den").changeSettings({ maxMembership: null }), "PATCH", ""],
    ["replaces settings", () => operator().domain("den").replaceSettings({}), "PUT", ""],
    ["creates", () => operator().domain("den").create(), "PUT", ""],
    ["deletes", () => operator().domain("den").delete("den"), "DELETE", "?confirm=den"],
    ["copies", () => operator().domain("den").copy(), "POST", "/copy"],
    ["evicts", () => operator().domain("den").evict("a/b"), "DELETE", "/members/a%2Fb"],
    ["bans", () => operator().domain("den").ban("guid", "sold"), "PUT", "/bans/guid"],
    ["lifts a ban", () => operator().domain("den").unban("guid"), "DELETE", "/bans/guid"],
    ["rolls over", () => operator().domain("den").rollOver("now"), "POST", "/rollover"],
    ["retires keys", () => operator().domain("den").retireKeys({ upTo: 1 }), "PUT", "/retired-keys"],
    ["reads one member", () => operator().domain("den").member("guid"), "GET", "/members/guid"],
    ["reads the head of the log", () => operator().domain("den").logHead(), "GET", "/log/head"],
    ["reads the activity", () => operator().domain("den").activity({ days: 7 }), "GET", "/activity?days=7"],
  ])("%s", async (_, ask, method, path) => {
    fates = [() => answer({})];
    await ask();
    expect(seen).toMatchObject([{ method, path: `/admin/domains/den${path}` }]);
  });

  it("to create a domain asks the server to leave one that exists", async () => {
    const conditions: (string | null)[] = [];
    const conditional: typeof fetch = async (_, init) => {
      conditions.push(new Headers(init?.headers).get("if-none-match"));
      return answer({});
    };
    const den = operator({ fetch: conditional }).domain("den");
    await den.create();
    await den.replaceSettings({});
    expect(conditions).toEqual(["*", null]);
  });

  it.each(["", ".", ".."])("never leaves its path by a device that is called %j", async (device) => {
    fates = [() => answer({})];
    const failure = await failureOf(operator().domain("den").evict(device));
    expect(failure).toMatchObject({ name: "OperatorError", error: "INVALID_REQUEST" });
    expect(seen).toEqual([]);
  });

  it.each(["http://domains.example", "domains.example", ""])("is not made to %j", (url) => {
    expect(() => new DomainOperator(url)).toThrow(expect.objectContaining({ error: "INVALID_SERVER_URL" }));
  });
});

describe("a device in all its domains", () => {
  it.each([
    ["is shown", () => operator().device("a/b").overview(), "GET", "/a%2Fb"],
    ["is evicted", () => operator().device("guid").evict(), "DELETE", "/guid/domains"],
    ["is banned", () => operator().device("guid").ban("sold"), "PUT", "/guid/ban"],
    ["is let in again", () => operator().device("guid").unban(), "DELETE", "/guid/ban"],
  ])("%s", async (_, ask, method, path) => {
    fates = [() => answer({})];
    await ask();
    expect(seen).toMatchObject([{ method, path: `/admin/devices${path}` }]);
  });
});

describe("a list", () => {
  const page = (names: readonly string[], nextCursor: string | null) => () =>
    answer({ domains: names.map((domain) => ({ domain })), nextCursor });

  it("is read to its end, page by page", async () => {
    fates = [page(["a", "b"], "next/1"), page([], "next2"), page(["c"], null)];
    const found = await all(operator().domains({ prefix: "a b" }));
    expect(found.map(({ domain }) => domain)).toEqual(["a", "b", "c"]);
    expect(seen.map(({ path }) => path)).toEqual([
      "/admin/domains?prefix=a+b&limit=200",
      "/admin/domains?prefix=a+b&cursor=next%2F1&limit=200",
      "/admin/domains?prefix=a+b&cursor=next2&limit=200",
    ]);
  });

  it("asks for no page that nobody reads", async () => {
    fates = [page(["a", "b"], "next")];
    for await (const { domain } of operator().domains()) if (domain === "b") break;
    expect(seen).toHaveLength(1);
  });

  it("gives a page on its own", async () => {
    fates = [page(["a"], "next")];
    const options = { limit: 1 };
    expect(await operator().domains().page("here", options)).toEqual({ items: [{ domain: "a" }], nextCursor: "next" });
    expect(seen.map(({ path }) => path)).toEqual(["/admin/domains?cursor=here&limit=1"]);
  });

  it.each([
    ["members", () => operator().domain("den").members(), "/admin/domains/den/members"],
    ["bans", () => operator().domain("den").bans(), "/admin/domains/den/bans"],
    ["keys", () => operator().domain("den").keys(), "/admin/domains/den/key-versions"],
    ["entries", () => operator().domain("den").log(), "/admin/domains/den/log"],
    ["deletions", () => operator().deletions(), "/admin/deletions"],
    ["domains", () => operator().device("guid").domains(), "/admin/devices/guid"],
    ["bans", () => operator().deviceBans(), "/admin/device-bans"],
  ])("has the %s of its page", async (name, list, path) => {
    fates = [() => answer({ [name]: [1, 2], nextCursor: null })];
    expect(await all<unknown>(list())).toEqual([1, 2]);
    expect(seen.map((request) => request.path)).toEqual([`${path}?limit=200`]);
  });

  it("of idle domains deletes none unless it is told to", async () => {
    fates = [() => answer({ dryRun: true, domains: ["a"], nextCursor: null })];
    expect(await all(operator().deleteIdleDomains({ idleSince: "2026-01-01T00:00:00Z" }))).toEqual(["a"]);
    expect(seen[0]?.body).toEqual({ idleSince: "2026-01-01T00:00:00Z", dryRun: true, limit: 100 });
  });
});

describe("lines", () => {
  it("are read as they come, however they are cut", async () => {
    const bytes = new TextEncoder().encode('{"revision":1,"by":"ä€"}\n\n{"revision":2}\r\n{"revision":3}');
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    fates = [() => new Response(body)];
    const found = await all(operator().domain("den").exportLog({ after: 4 }));
    expect(found).toEqual([{ revision: 1, by: "ä€" }, { revision: 2 }, { revision: 3 }]);
    expect(seen[0]?.path).toBe("/admin/domains/den/log/export?after=4");
  });

  it("that break off are an error after those that came, and are not asked for again", async () => {
    const chunks = [new TextEncoder().encode('{"member":{}}\n{"mem')];
    const body = new ReadableStream({
      pull: (controller) => {
        const chunk = chunks.shift();
        if (chunk) controller.enqueue(chunk);
        else controller.error(new Error("reset"));
      },
    });
    fates = [() => new Response(body)];
    const found: unknown[] = [];
    const failure = await failureOf(
      (async () => {
        for await (const line of operator().domain("den").audit()) found.push(line);
      })(),
    );
    expect(failure).toMatchObject({ error: "UNREACHABLE" });
    expect(found).toEqual([{ member: {} }]);
    expect(seen).toHaveLength(1);
  });

  it("end where their reader stops", async () => {
    let cancelled = false;
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{}\n{}\n")),
      cancel: () => {
        cancelled = true;
      },
    });
    fates = [() => new Response(body)];
    for await (const _ of operator().domain("den").exportLog()) break;
    expect(cancelled).toBe(true);
  });

  it("are repeated until there are any", async () => {
    fates = [() => refusal(503, "OVERLOADED"), () => lines('{"revision":1}\n')];
    expect(await all(operator().domain("den").exportLog())).toEqual([{ revision: 1 }]);
  });
});

describe("a refusal", () => {
  it("is an error with the server's words", async () => {
    const errors = [{ field: "maxMembership", detail: "must be at least 0" }];
    fates = [() => refusal(400, "INVALID_REQUEST", {}, { detail: "maxMembership must be at least 0", errors })];
    const failure = await failureOf(operator().domain("den").changeSettings({ maxMembership: -1 }));
    expect(failure).toBeInstanceOf(OperatorError);
    expect(failure).toMatchObject({
      ...{ error: "INVALID_REQUEST", status: 400, title: "No", detail: "maxMembership must be at least 0" },
      ...{ message: "maxMembership must be at least 0", requestId: "request-1", fields: errors, retryable: false },
    });
    expect(seen).toHaveLength(1);
  });

  it.each([
    ["an unknown name", () => refusal(418, "TEAPOT"), 418],
    ["no problem document", () => new Response("<html>", { status: 500 }), 500],
    ["a redirection", () => new Response(null, { status: 302, headers: { location: "https://evil.example" } }), 302],
    ["faults that are none", () => refusal(400, "TEAPOT", {}, { errors: [null, 7] }), 400],
  ])("with %s is unexpected, and final", async (_, fate, status) => {
    fates = [fate];
    const failure = await failureOf(operator().domain("den").overview());
    expect(failure).toMatchObject({ error: "UNEXPECTED_ANSWER", status, retryable: false });
    expect(seen).toHaveLength(1);
  });

  it("whose response is cut is as good as none", async () => {
    fates = [() => new Response('{"domain":"d'), () => answer({ domain: "den" })];
    expect(await operator().domain("den").overview()).toEqual({ domain: "den" });
  });
});

describe("a failure that may pass", () => {
  const PASSING: readonly [string, Fate][] = [
    ["RATE_LIMITED", () => refusal(429, "RATE_LIMITED")],
    ["OVERLOADED", () => refusal(503, "OVERLOADED")],
    ["TEMPORARILY_UNAVAILABLE", () => refusal(503, "TEMPORARILY_UNAVAILABLE")],
    ["a bad gateway", () => new Response("", { status: 502 })],
    ["a lost connection", lost],
  ];
  /** Which of them say for sure that nothing was done. */
  const notBegun = (name: string) => name === "RATE_LIMITED" || name === "OVERLOADED";

  const den = () => operator().domain("den");
  const idle = { idleSince: "2026-01-01T00:00:00Z" };
  const REPEATABLE: readonly [string, () => Promise<unknown>][] = [
    ["a read", () => den().overview()],
    ["a list", () => all(operator().domains())],
    ["a merge of settings", () => den().changeSettings({})],
    ["a replacement of settings", () => den().replaceSettings({})],
    ["a ban", () => den().ban("guid", "sold")],
    ["a retirement", () => den().retireKeys({ upTo: 1 })],
    ["a copy", () => den().copy()],
    ["a rewrapping", () => operator().rewrapKeys()],
    ["a dry run", () => all(operator().deleteIdleDomains(idle))],
  ];
  const ONCE: readonly [string, () => Promise<unknown>][] = [
    ["a creation", () => den().create()],
    ["a rollover", () => den().rollOver("now")],
    ["an eviction", () => den().evict("guid")],
    ["the end of a ban", () => den().unban("guid")],
    ["a deletion", () => den().delete("den")],
    ["an eviction from all domains", () => operator().device("guid").evict()],
    ["a ban from all domains", () => operator().device("guid").ban("sold")],
    ["the end of a ban from all domains", () => operator().device("guid").unban()],
    ["a deletion of idle domains", () => all(operator().deleteIdleDomains({ ...idle, dryRun: false }))],
  ];
  const done = () => answer({ domains: [], nextCursor: null });

  it.each(REPEATABLE.flatMap(([call, ask]) => PASSING.map(([name, fate]) => [call, name, ask, fate] as const)))(
    "has %s repeated after %s",
    async (_, __, ask, fate) => {
      fates = [fate, fate, done];
      await ask();
      expect(seen).toHaveLength(3);
      expect(pauses).toHaveLength(2);
    },
  );

  it.each(ONCE.flatMap(([call, ask]) => PASSING.map(([name, fate]) => [call, name, ask, fate] as const)))(
    "has %s repeated after %s only if nothing was done",
    async (_, name, ask, fate) => {
      fates = [fate, done];
      const failure = await failureOf(ask());
      expect(seen).toHaveLength(notBegun(name) ? 2 : 1);
      if (notBegun(name)) expect(failure).toBe(null);
      else expect(failure).toMatchObject({ name: "OperatorError", retryable: true });
    },
  );

  it("is waited for as long as the server asks", async () => {
    fates = [() => refusal(503, "OVERLOADED", { "retry-after": "7" }), done];
    await den().overview();
    expect(pauses[0]).toBeGreaterThanOrEqual(7_000);
    expect(pauses[0]).toBeLessThan(8_001);
  });

  it("is thrown in the end", async () => {
    fates = [() => refusal(429, "RATE_LIMITED")];
    const failure = await failureOf(operator({ retries: 2 }).domain("den").overview());
    expect(failure).toMatchObject({ error: "RATE_LIMITED", status: 429, retryable: true });
    expect(seen).toHaveLength(3);
  });
});

describe("a signal", () => {
  it.each([
    ["of the operator", true],
    ["of the call", false],
  ])("%s ends a request that hangs, with its reason", async (_, whole) => {
    const controller = new AbortController();
    const { signal } = controller;
    fates = [() => new Promise(() => {})];
    const asked = operator({ retries: 0, ...(whole ? { signal } : {}) })
      .domain("den")
      .overview(whole ? {} : { signal });
    controller.abort(new Error("enough"));
    expect(await failureOf(asked)).toMatchObject({ message: "enough" });
    expect(seen).toHaveLength(1);
  });

  it("ends a list between its pages", async () => {
    const controller = new AbortController();
    fates = [() => answer({ members: [1], nextCursor: "next" })];
    const members = operator().domain("den").members({ signal: controller.signal });
    const failure = await failureOf(
      (async () => {
        for await (const _ of members) controller.abort(new Error("enough"));
      })(),
    );
    expect(failure).toMatchObject({ message: "enough" });
    expect(seen).toHaveLength(1);
  });
});
