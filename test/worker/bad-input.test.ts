import { exports } from "cloudflare:workers";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import { asAdmin, newDomain, newGuid, ORIGIN } from "../support/worker/client.ts";

const LIMIT = 64 * 1024;
const JSON_TYPE = { "content-type": "application/json" };
const BODY_ROUTES = ["register", "deregister"] as const;

/** Sends a request just as it is told to: unlike `ask`, it adds no header and takes any kind of body. */
function send(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}) {
  const init = body === undefined ? { method, headers } : { method, headers, body };
  return exports.default.fetch(new Request(`${ORIGIN}${path}`, init));
}

/** Posts text as the JSON body of a device's request. */
function post(route: string, body: BodyInit, domain = newDomain()) {
  return send("POST", `/domains/${domain}/${route}`, body, JSON_TYPE);
}

type Problem = { error: string; errors?: { field: string; detail: string }[] };

/** Checks what holds of every refusal, and gives its body. */
async function problem(response: Response, status: number, error = "INVALID_REQUEST"): Promise<Problem> {
  const text = await response.text();
  expect(response.status, text).toBe(status);
  expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const body = JSON.parse(text);
  expect(body).toMatchObject({ status, error, title: expect.any(String) });
  expect(new URL(body.type).origin).toBe(ORIGIN);
  return body;
}

/** The members of a request that a refusal names, sorted: which fault is found first is nobody's concern. */
async function fieldsAtFault(response: Response): Promise<string[]> {
  const { errors = [] } = await problem(response, 400);
  for (const { detail } of errors) expect(detail).toMatch(/\w/);
  return [...new Set(errors.map(({ field }) => field))].sort();
}

/** How often an object of any domain made its tables, or committed something. */
let writes = 0;
const { migrate, commit } = DomainStorage.prototype;
DomainStorage.prototype.migrate = function () {
  if (!this.hasTables) writes++;
  return migrate.call(this);
};
DomainStorage.prototype.commit = function (...args) {
  writes++;
  return commit.apply(this, args);
};

/** A stream has no Content-Length, and comes in pieces that know nothing of each other. */
function inPieces(text: string, size = 1_000): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

describe("what is refused", () => {
  // Nobody else asks meanwhile: a write is one that a refused request brought about.
  beforeEach(() => {
    writes = 0;
  });
  afterEach(() => expect(writes).toBe(0));

  describe("method", () => {
    const ALLOWED = [
      ["/domains/some/register", ["POST"]],
      ["/domains/some/deregister", ["POST"]],
      ["/domains/some", ["GET", "HEAD"]],
      ["/domains/some/keys", ["GET", "HEAD"]],
      ["/.well-known/jwks.json", ["GET", "HEAD"]],
      ["/health", ["GET", "HEAD"]],
      ["/admin/domains/some", ["GET", "HEAD", "PUT", "PATCH", "DELETE"]],
    ] as const;

    it.each(ALLOWED)("%s takes no other than %s", async (path, allowed) => {
      const others = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"].filter(
        (method) => !(allowed as readonly string[]).includes(method),
      );
      for (const method of others) {
        const answer = await send(method, path, undefined, asAdmin);
        expect(answer.headers.get("allow")?.split(", ").sort()).toEqual([...allowed].sort());
        if (method !== "HEAD") await problem(answer, 405);
      }
    });
  });

  it.each([
    "/domains",
    "/domains/",
    "/domains/some/",
    "/domains/some/registers",
    "/domains/some/register/",
    "/domains/some/register/more",
    "/domains/some/keys/1",
    "/Domains/some/register",
    "//domains/some/register",
    "/register",
    "/health/",
    "/.well-known/",
    "/.dev.vars",
    "/constructor",
  ])("the unknown path %s", async (path) => {
    await problem(await send("GET", path), 404, "NOT_FOUND");
    await problem(await send("POST", path, JSON.stringify({ machineGuid: newGuid() }), JSON_TYPE), 404, "NOT_FOUND");
  });

  // The first three are what a page of any site may have a browser send without asking first.
  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "application/jsonp",
    "application/json-seq",
    "application/merge-patch+json",
    "application/problem+json",
    "json",
    ";application/json",
    "text/plain, application/json",
  ])("the content type %s", async (type) => {
    for (const route of BODY_ROUTES) {
      const body = JSON.stringify({ machineGuid: newGuid() });
      const answer = await send("POST", `/domains/some/${route}`, body, { "content-type": type });
      expect((await problem(answer, 415)).errors).toMatchObject([{ field: "content-type" }]);
    }
  });

  it("a body without a content type", async () => {
    for (const route of BODY_ROUTES) {
      const bytes = new TextEncoder().encode(JSON.stringify({ machineGuid: newGuid() }));
      await problem(await send("POST", `/domains/some/${route}`, bytes), 415);
      await problem(await send("POST", `/domains/some/${route}`), 415);
    }
  });

  describe("a body over 64 KB", () => {
    const valid = () => JSON.stringify({ machineGuid: newGuid() });
    const TOO_LARGE: [string, () => BodyInit][] = [
      ["by one byte, with its length declared", () => valid().padEnd(LIMIT + 1)],
      ["by one byte, in pieces of undeclared length", () => inPieces(valid().padEnd(LIMIT + 1))],
      ["by one byte, in one piece of undeclared length", () => inPieces(valid().padEnd(LIMIT + 1), 2 * LIMIT)],
      ["by far", () => valid().padEnd(20 * LIMIT)],
      // Characters are not bytes: this one has fewer than the limit of the former.
      ["in two-byte characters", () => `{"machineGuid":"${"é".repeat(LIMIT / 2)}"}`],
      ["that is not JSON either", () => "x".repeat(LIMIT + 1)],
    ];

    it.each(TOO_LARGE)("%s", async (_, body) => {
      for (const route of BODY_ROUTES) {
        expect((await problem(await post(route, body()), 413)).errors).toMatchObject([{ field: "body" }]);
      }
    });

    it("that never ends", async () => {
      const endless = new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1_000).fill(0x20)),
      });
      await problem(await post("register", endless), 413);
    });
  });

  it.each([
    ["nothing", ""],
    ["white space", " \n"],
    ["half an object", "{"],
    ["a missing value", '{"machineGuid":}'],
    ["a trailing comma", '{"preview":true,}'],
    ["single quotes", "{'preview':true}"],
    ["a comment", "{}//"],
    ["two values", "{}{}"],
    ["NaN", '{"afterKeyVersion":NaN}'],
    ["a form", "machineGuid=1"],
    ["a raw control character", '{"machineGuid":"\u0000"}'],
    ["brackets beyond any depth", "[".repeat(LIMIT)],
  ])("a body that is not JSON: %s", async (_, body) => {
    for (const route of BODY_ROUTES) {
      expect(await fieldsAtFault(await post(route, body))).toEqual(["body"]);
    }
  });

  it.each([
    ["a stray byte", [0xff]],
    ["a slash in two bytes", [0xc0, 0xaf]],
    ["half a surrogate pair", [0xed, 0xa0, 0x80]],
    ["a character cut short", [0xe2, 0x82]],
    ["a character beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
  ])("a body that is no UTF-8: %s", async (_, bytes) => {
    const body = new Uint8Array([...new TextEncoder().encode('{"machineGuid":"'), ...bytes, 0x22, 0x7d]);
    for (const route of BODY_ROUTES) {
      expect(await fieldsAtFault(await post(route, body))).toEqual(["body"]);
    }
  });

  it.each(["[]", "[{}]", '"text"', "null", "1", "true", `["${newGuid()}"]`])(
    "JSON that is no object: %s",
    async (body) => {
      for (const route of BODY_ROUTES) {
        expect(await fieldsAtFault(await post(route, body))).toEqual(["body"]);
      }
    },
  );

  describe("members", () => {
    const guid = newGuid();
    const BOTH: [object | string, string[]][] = [
      [{}, ["machineGuid"]],
      ...["1", "2", "3", "5", "6", "8", "0", "f"].map((version): [object, string[]] => [
        { machineGuid: `${guid.slice(0, 14)}${version}${guid.slice(15)}` },
        ["machineGuid"],
      ]),
      [{ machineGuid: null }, ["machineGuid"]],
      [{ machineGuid: 7 }, ["machineGuid"]],
      [{ machineGuid: true }, ["machineGuid"]],
      [{ machineGuid: [guid] }, ["machineGuid"]],
      [{ machineGuid: { toString: guid } }, ["machineGuid"]],
      [{ MachineGuid: guid }, ["MachineGuid", "machineGuid"]],
      [{ machineGuid: guid, extra: 1, more: null }, ["extra", "more"]],
      [{ machineGuid: guid, domain: "other" }, ["domain"]],
      [{ machineGuid: guid, auth: { kind: "verified", namespace: "studio" } }, ["auth"]],
      // As text: in a literal, these would set the prototype instead of a member.
      [`{"machineGuid":"${guid}","__proto__":{"preview":true}}`, ["__proto__"]],
      [`{"__proto__":{"machineGuid":"${guid}"}}`, ["__proto__", "machineGuid"]],
      [`{"machineGuid":"${guid}","constructor":{"prototype":{}}}`, ["constructor"]],
      [`{"machineGuid":"${guid}","toString":1,"hasOwnProperty":1}`, ["hasOwnProperty", "toString"]],
    ];
    const REGISTER: typeof BOTH = [
      ...["1", true, null, [], {}, -1, 0.5, Number.MAX_SAFE_INTEGER + 1, -Number.MAX_VALUE].map(
        (afterKeyVersion): [object, string[]] => [{ machineGuid: guid, afterKeyVersion }, ["afterKeyVersion"]],
      ),
      [`{"machineGuid":"${guid}","afterKeyVersion":1e400}`, ["afterKeyVersion"]],
      [`{"machineGuid":"${guid}","afterKeyVersion":-1e400}`, ["afterKeyVersion"]],
      [{ machineGuid: guid, preview: false }, ["preview"]],
      [{ afterKeyVersion: "x", extra: 1 }, ["afterKeyVersion", "extra", "machineGuid"]],
    ];
    const DEREGISTER: typeof BOTH = [
      ...["true", "", 0, 1, null, [], {}].map((preview): [object, string[]] => [
        { machineGuid: guid, preview },
        ["preview"],
      ]),
      [{ machineGuid: guid, afterKeyVersion: 0 }, ["afterKeyVersion"]],
      [{ machineGuid: guid, encryptionKey: {} }, ["encryptionKey"]],
      [{ preview: 1, extra: 1 }, ["extra", "machineGuid", "preview"]],
    ];
    const rows = [
      ...[...BOTH, ...REGISTER].map((row) => ["register", ...row] as const),
      ...[...BOTH, ...DEREGISTER].map((row) => ["deregister", ...row] as const),
    ].map(([route, body, fields]) => {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      return [route, text.replaceAll(guid, "<GUID>"), fields, text] as const;
    });

    it.each(rows)("%s %s names %j", async (route, _, fields, text) => {
      expect(await fieldsAtFault(await post(route, text))).toEqual(fields);
    });
  });

  describe("a GUID that is no UUID", () => {
    const GUID = "0f8fad5b-d9cb-469f-a165-70867728950e";
    it.each([
      "",
      "0f8fad5b",
      GUID.slice(0, -1),
      `${GUID}0`,
      GUID.replaceAll("-", ""),
      GUID.replaceAll("-", "_"),
      `{${GUID}}`,
      `urn:uuid:${GUID}`,
      `${GUID}\n`,
      `${GUID}\u0000`,
      ` ${GUID}`,
      `${GUID} `,
      `${GUID},${GUID}`,
      GUID.replace("0f", "0g"),
      // The digits of another script.
      GUID.replace("0", "٠"),
      // Variants other than that of RFC 9562, and versions it does not know.
      GUID.replace("-a165", "-7165"),
      GUID.replace("-a165", "-c165"),
      GUID.replace("-469f", "-069f"),
      GUID.replace("-469f", "-969f"),
    ])("%j", async (machineGuid) => {
      for (const route of BODY_ROUTES) {
        const answer = await post(route, JSON.stringify({ machineGuid }));
        const text = await answer.clone().text();
        expect(await fieldsAtFault(answer)).toEqual(["machineGuid"]);
        expect(text).not.toContain("d9cb-469f");
      }
    });
  });

  describe("a domain name", () => {
    /** Asks every route that takes a domain name. */
    async function everyRoute(name: string): Promise<Response[]> {
      const device = JSON.stringify({ machineGuid: newGuid() });
      const admin = { ...JSON_TYPE, ...asAdmin };
      return [
        await send("POST", `/domains/${name}/register`, device, JSON_TYPE),
        await send("POST", `/domains/${name}/deregister`, device, JSON_TYPE),
        await send("GET", `/domains/${name}`),
        await send("GET", `/domains/${name}/keys`),
        await send("GET", `/admin/domains/${name}`, undefined, asAdmin),
        await send("PUT", `/admin/domains/${name}`, "{}", admin),
        await send("PATCH", `/admin/domains/${name}`, "{}", admin),
      ];
    }

    it.each([
      ["two dots", "a..b"],
      ["two dots, encoded", "a%2e%2Eb"],
      ["a path in one segment", "..%2Fadmin"],
      ["a slash", "a%2Fb"],
      ["a backslash", "a%5Cb"],
      ["a NUL", "a%00b"],
      ["a line feed", "a%0Ab"],
      ["a line feed at the end", "a%0A"],
      ["a header of its own", "a%0D%0AX-Injected:1"],
      ["a space", "a%20b"],
      ["a plus sign", "a+b"],
      ["a question mark", "a%3Fb"],
      ["a hash", "a%23b"],
      ["a percent sign", "a%25b"],
      ["a semicolon", "a;b"],
      ["markup", "a%3Cscript%3Eb"],
      ["SQL", "a'%20or%201=1--b"],
      ["129 characters", "a".repeat(129)],
      ["very many characters", "a".repeat(8_000)],
      ["raw non-ASCII", "café"],
      ["encoded non-ASCII", "caf%C3%A9"],
      ["a letter that only looks like one of ours", "%D0%B0bc"],
      ["a character of four bytes", "a😀b"],
      ["a slash in two bytes", "a%C0%AFb"],
      ["a stray byte", "a%FFb"],
      ["an encoding of no digits", "a%zzb"],
      ["half an encoding", "a%2"],
      ["a lone percent sign", "a%"],
      ["a good encoding beside a bad one", "%61%zz"],
      ["an encoded encoding of a dot", "a%252eb"],
      ["an encoded encoding of a slash", "a%252Fb"],
      ["an encoded encoding of a letter", "%2561"],
      ["a leading dot", ".a"],
      ["a trailing dot", "a."],
      ["a leading dash", "-a"],
      ["a trailing dash", "a-"],
      ["a leading underscore", "_a"],
      ["a trailing tilde", "a~"],
      ["a lone dash", "-"],
      ["a leading dot, encoded", "%2Ea"],
    ])("with %s", async (_, name) => {
      for (const answer of await everyRoute(name)) {
        expect(await fieldsAtFault(answer)).toEqual(["domain"]);
        expect(answer.headers.get("x-injected")).toBeNull();
      }
    });

    // These never arrive as a name: a URL resolves dot segments, and an empty segment matches no route.
    it.each([
      ["dots", ".."],
      ["encoded dots", "%2e%2E"],
      ["nothing", ""],
      ["a slash", "a/b"],
    ])("of %s", async (_, name) => {
      for (const answer of await everyRoute(name)) {
        // `/domains/..` is `/`, the first page, which knows of no domain.
        const isFirstPage = answer.headers.get("content-type")?.startsWith("text/html");
        if (isFirstPage) expect(await answer.text()).toBe(await (await send("GET", "/")).text());
        else await problem(answer, 404, "NOT_FOUND");
      }
    });
  });

  describe("a secret in the wrong place", () => {
    afterEach(() => vi.restoreAllMocks());

    const guid = newGuid();
    const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lb25lIn0.c2VjcmV0LXNpZ25hdHVyZQ";
    const jwk = { kty: "EC", crv: "P-256", x: "eCBjb29yZGluYXRl", y: "eSBjb29yZGluYXRl", d: "cHJpdmF0ZSBzY2FsYXI" };
    const PLACES: [string, string, string, Record<string, string>?][] = [
      ["a GUID as key version", "register", JSON.stringify({ machineGuid: 1, afterKeyVersion: guid })],
      ["a GUID as preview", "deregister", JSON.stringify({ machineGuid: guid, preview: guid })],
      ["a GUID in an unknown member", "register", JSON.stringify({ machineGuid: guid, guid })],
      ["a GUID in braces", "register", JSON.stringify({ machineGuid: `{${guid}}` })],
      ["a GUID in broken JSON", "deregister", `{"machineGuid":"${guid}"`],
      ["a token as machine GUID", "register", JSON.stringify({ machineGuid: token })],
      ["a token in an unknown member", "deregister", JSON.stringify({ machineGuid: guid, authToken: token })],
      ["a token in its place, beside a bad body", "register", "[]", { authorization: `Bearer ${token}` }],
      ["a token as content type", "register", "{}", { "content-type": token }],
      ["a private JWK as encryption key", "register", JSON.stringify({ machineGuid: guid, encryptionKey: jwk })],
      ["a private JWK as machine GUID", "register", JSON.stringify({ machineGuid: jwk })],
      ["a private JWK as the body", "register", JSON.stringify(jwk)],
    ];

    it.each(PLACES)("%s is repeated neither in the answer nor in the log", async (_, route, body, headers) => {
      const lines = (["log", "info", "warn", "error"] as const).map((level) => vi.spyOn(console, level));
      const answer = await send("POST", `/domains/some/${route}`, body, { ...JSON_TYPE, ...headers });
      const told = [
        await answer.clone().text(),
        ...[...answer.headers].flat(),
        ...lines.flatMap((spy) => spy.mock.calls.flat().map(String)),
      ].join("\n");
      expect(answer.status).toBeLessThan(500);
      await problem(answer, answer.status);
      for (const secret of [guid, token, token.split(".")[2] as string, jwk.d]) expect(told).not.toContain(secret);
    });
  });
});

describe("what is just good enough", () => {
  it("a body of exactly 64 KB", async () => {
    const body = () => JSON.stringify({ machineGuid: newGuid() }).padEnd(LIMIT);
    expect((await post("register", body())).status).toBe(201);
    expect((await post("register", inPieces(body()))).status).toBe(201);
    expect((await post("register", inPieces(body(), 2 * LIMIT))).status).toBe(201);
  });

  it("a media type in another case, and with parameters", async () => {
    for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/json ;charset=utf-8"]) {
      const body = JSON.stringify({ machineGuid: newGuid() });
      expect((await send("POST", "/domains/typed/register", body, { "content-type": type })).status).toBe(201);
    }
  });

  it.each([
    ["of one letter", "a"],
    ["of one digit", "7"],
    ["of 128 characters", "a".repeat(128)],
    ["of 128 characters, longer on the way", "%61".repeat(128)],
    ["of every kind of character", "A.b_c:d@e~f-0"],
    ["with lone dots", "a.b.c"],
    ["that objects have a member of", "constructor"],
  ])("a domain name %s", async (_, name) => {
    const answer = await post("register", JSON.stringify({ machineGuid: newGuid() }), name);
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ domain: decodeURIComponent(name) });
  });

  it.each(["4", "7"])("a machine GUID of version %s", async (version) => {
    const guid = newGuid();
    const body = JSON.stringify({ machineGuid: `${guid.slice(0, 14)}${version}${guid.slice(15)}` });
    expect((await post("register", body)).status).toBe(201);
  });

  it("the highest key version there can be", async () => {
    const body = JSON.stringify({ machineGuid: newGuid(), afterKeyVersion: Number.MAX_SAFE_INTEGER });
    expect(await (await post("register", body)).json()).toMatchObject({ keyVersion: 1, credentials: [] });
  });
});

describe("whatever is sent", () => {
  const NAME = /^(?!.*\.\.)[A-Za-z0-9]([A-Za-z0-9._:@~-]{0,126}[A-Za-z0-9])?$/;
  const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

  /** Decides whether a body is a valid registration. It shares no code with the server. */
  function isRegistration(text: string): boolean {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return false;
    }
    if (typeof body !== "object" || body === null || Array.isArray(body)) return false;
    const { machineGuid, afterKeyVersion = 0, ...others } = body as Record<string, unknown>;
    return (
      typeof machineGuid === "string" &&
      UUID.test(machineGuid) &&
      Number.isSafeInteger(afterKeyVersion) &&
      (afterKeyVersion as number) >= 0 &&
      Object.keys(others).length === 0
    );
  }

  /** Sends one request; a refusal must be a proper one and leave nothing behind. */
  async function changesOnlyIfCreated(path: string, body: string): Promise<Response> {
    writes = 0;
    const answer = await send("POST", path, body, JSON_TYPE);
    if (answer.status === 201) {
      expect(writes).toBeGreaterThan(0);
    } else {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(writes).toBe(0);
    }
    return answer;
  }

  it("as a body: served if it is a registration, refused without a trace if not", async () => {
    const guid = fc.oneof(fc.uuid(), fc.string(), fc.jsonValue());
    const version = fc.oneof(fc.nat(), fc.integer(), fc.double(), fc.jsonValue());
    const body = fc.oneof(
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string({ unit: "binary" }),
      fc
        .record({ machineGuid: guid, afterKeyVersion: version }, { requiredKeys: [] })
        .map((value) => JSON.stringify(value)),
      fc.record({ machineGuid: fc.uuid(), afterKeyVersion: fc.nat() }).map((value) => JSON.stringify(value)),
      // A good body with something on top of it, or with one character lost.
      fc.tuple(fc.uuid(), fc.string(), fc.jsonValue()).map(([machineGuid, name, value]) => {
        return JSON.stringify({ [name]: value, machineGuid });
      }),
      fc.tuple(fc.uuid(), fc.nat(40)).map(([machineGuid, at]) => {
        const text = JSON.stringify({ machineGuid });
        return text.slice(0, at) + text.slice(at + 1);
      }),
    );
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        // A domain of its own for each: in a shared one, a GUID that comes again would be a renewal.
        const answer = await changesOnlyIfCreated(`/domains/${newDomain()}/register`, text);
        expect(answer.status === 201).toBe(isRegistration(text));
        if (answer.status !== 201) await problem(answer, 400);
      }),
      { numRuns: 200 },
    );
  });

  /** The domain name in a path, decoded once; null if there is none, which is so if the URL ends up as another. */
  function nameIn(path: string): string | null {
    try {
      const segment = /^\/domains\/([^/]+)\/register$/.exec(new URL(path, ORIGIN).pathname)?.[1];
      return segment === undefined ? null : decodeURIComponent(segment);
    } catch {
      return null;
    }
  }

  it("as a path segment: a domain only if it is the name of one", async () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }));
    const nearName = fc.stringMatching(/^[A-Za-z0-9]{1,3}[A-Za-z0-9._:@~%+ -]{0,5}[A-Za-z0-9]{1,3}$/);
    const segment = fc.oneof(
      text,
      nearName,
      fc.oneof(text, nearName).map((name) => encodeURIComponent(name.toWellFormed())),
      fc.oneof(text, nearName).map((name) => encodeURIComponent(encodeURIComponent(name.toWellFormed()))),
    );
    await fc.assert(
      fc.asyncProperty(segment, async (text) => {
        const path = `/domains/${text}/register`;
        const answer = await changesOnlyIfCreated(path, JSON.stringify({ machineGuid: newGuid() }));
        const name = nameIn(path);
        expect(answer.status === 201).toBe(name !== null && NAME.test(name));
        if (answer.status === 201) {
          expect(await answer.json()).toMatchObject({ domain: name });
        } else {
          await problem(answer, answer.status, answer.status === 404 ? "NOT_FOUND" : "INVALID_REQUEST");
        }
      }),
      { numRuns: 200 },
    );
  });
});
