import type { Random } from "../support/node/seeded-random.ts";
import type { Parts } from "./valid-requests.ts";

/** Values that are seldom what was expected. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  " ",
  "0",
  "null",
  "\u0000",
  "\ud800",
  "💥".repeat(40),
  "x".repeat(2_000),
  [],
  [[]],
  {},
  { length: 1 },
  { __proto__: 1, constructor: 2 },
  "00000000-0000-0000-0000-000000000000",
  "../../etc/passwd",
  "' or 1=1 --",
];
const NAMES = [
  "machineGuid",
  "preview",
  "afterKeyVersion",
  "credentials",
  "encryptionKey",
  "upTo",
  "olderThanDays",
  "rolloverIntervalSeconds",
  "maxMembershipPerSubject",
  "memberIdleDays",
  "deleteAfterEmptyDays",
  "idleSince",
  "maxMembers",
  "dryRun",
  "__proto__",
  "constructor",
  "d",
  "",
  "👻",
];
/** Pieces of paths: escapes that are right, wrong, doubled and overlong. */
const SEGMENTS = [
  "%00",
  "%2F",
  "%2e%2e",
  "..",
  ".",
  "%",
  "%zz",
  "%c0%af",
  "0",
  "-1",
  "1e1",
  "999999999",
  "99999999999999999999",
  "history",
  "%25%32%46",
  "%F0%9F%92%A9",
  "~",
  "@",
  "fuzz-1%20",
  "a".repeat(129),
  "%E2%80%AE",
  ";x=1",
  "",
  "*",
];
const TYPES = [
  "",
  "text/plain",
  "application/json; charset=utf-16",
  "application/jose",
  "application/jose+json",
  "a/b/c",
  "💥",
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];
const QUERY_NAMES = [
  "limit",
  "cursor",
  "order",
  "prefix",
  "after",
  "days",
  "before",
  "version",
  "kid",
  "statement",
  "confirm",
  "x",
  "limit[]",
  "%",
  "__proto__",
];
const QUERY_VALUES = [
  "",
  "0",
  "1",
  "-1",
  "201",
  "999999999",
  "1e9",
  "٣",
  "%00",
  "%ff",
  "newest",
  "a=b",
  "eyJhbGciOiJkaXIifQ..a.b.c",
  "x".repeat(5_000),
];
const CREDENTIALS = [
  "",
  "Bearer",
  "Bearer ",
  "Bearer a.b.c",
  "Bearer eyJhbGciOiJub25lIn0.e30.",
  "Basic YTpi",
  "bearer\tx",
  "Bearer 💥",
];
const ALGORITHMS = ["none", "HS256", "RS256", "ES384", "Ed25519", "constructor", "", 1, null];

/** Spoils a part of a request, or now and then leaves it as it is. */
export function spoilt(parts: Parts, random: Random): Parts {
  let result = parts;
  for (let times = random.pick([0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3]); times > 0; times--)
    result = random.pick(WAYS)(result, random);
  return result;
}

const WAYS: readonly ((parts: Parts, random: Random) => Parts)[] = [
  spoiltBody,
  spoiltBody,
  spoiltBody,
  spoiltHeaders,
  spoiltHeaders,
  spoiltPath,
  spoiltPath,
  (parts, random) => ({ ...parts, method: random.pick(METHODS) }),
  (parts, random) => ({
    ...parts,
    query: `?${Array.from({ length: 1 + random.below(3) }, () => `${random.pick(QUERY_NAMES)}=${random.pick(QUERY_VALUES)}`).join("&")}`,
  }),
  (parts, random) => ({ ...parts, query: bytesChanged(parts.query || "?limit=1&cursor=abcdef", random) }),
];

function spoiltBody(parts: Parts, random: Random): Parts {
  const { body, headers } = parts;
  if (body === null)
    return {
      ...parts,
      body: JSON.stringify(random.pick(VALUES)),
      headers: { "content-type": "application/json", ...headers },
    };
  const isSigned = headers["content-type"] === "application/jose";
  return {
    ...parts,
    body:
      random.below(3) === 0
        ? bytesChanged(body, random)
        : isSigned
          ? spoiltJws(body, random)
          : spoiltJson(body, random),
  };
}

function spoiltJson(text: string, random: Random): string {
  const value = parsed(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(random.pick(VALUES));
  const members = Object.entries(value);
  const [name = "x", old] = members[random.below(members.length)] ?? [];
  switch (random.below(7)) {
    case 0:
      return JSON.stringify({ ...value, [random.pick(NAMES)]: random.pick(VALUES) });
    case 1:
      return JSON.stringify(Object.fromEntries(members.filter(([each]) => each !== name)));
    case 2:
      return `${"[".repeat(1 + random.below(5_000))}${text}`;
    case 3:
      // The same member twice.
      return `${text.slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(random.pick(VALUES))}}`;
    case 4:
      return JSON.stringify({ ...value, [name]: spoiltText(old, random) });
    case 5:
      return JSON.stringify({ ...value, [name]: typeof old === "object" ? spoiltMember(old, random) : [old] });
    default:
      return JSON.stringify({ ...value, [name]: random.pick(VALUES) });
  }
}

function spoiltMember(value: unknown, random: Random): unknown {
  return parsed(spoiltJson(JSON.stringify(value), random)) ?? null;
}

function spoiltText(value: unknown, random: Random): unknown {
  return typeof value === "string" ? bytesChanged(value, random) : random.pick(VALUES);
}

/** A compact JWS with another header or payload, with parts moved, missing or doubled: its signature fits no more. */
function spoiltJws(jws: string, random: Random): string {
  const segments = jws.split(".");
  const [header = "", payload = "", signature = ""] = segments;
  switch (random.below(6)) {
    case 0:
      return [
        recoded(header, (text) => JSON.stringify({ ...(parsed(text) as object), alg: random.pick(ALGORITHMS) })),
        payload,
        signature,
      ].join(".");
    case 1:
      return [recoded(header, (text) => spoiltJson(text, random)), payload, signature].join(".");
    case 2:
      return [header, recoded(payload, (text) => spoiltJson(text, random)), signature].join(".");
    case 3:
      return segments
        .slice(random.below(3))
        .concat(segments.slice(0, random.below(4)))
        .join(".");
    case 4:
      return JSON.stringify({ protected: header, payload, signature });
    default:
      return [header, payload, bytesChanged(signature, random)].join(".");
  }
}

function recoded(segment: string, change: (text: string) => string): string {
  return Buffer.from(change(Buffer.from(segment, "base64url").toString())).toString("base64url");
}

function spoiltHeaders(parts: Parts, random: Random): Parts {
  const { headers } = parts;
  const [name, value] = random.pick<readonly [string, string]>([
    ["content-type", random.pick(TYPES)],
    ["authorization", random.pick(CREDENTIALS)],
    ["authorization", bytesChanged(headers.authorization ?? "Bearer a.b.c", random)],
    ["cf-access-jwt-assertion", random.pick(CREDENTIALS).slice(7)],
    ["idempotency-key", random.pick(["", "a b", "x".repeat(129), "\u00e4", "1", "x".repeat(4_000)])],
    ["if-none-match", random.pick(["*", '"x"', 'W/"', '"'])],
    ["accept-encoding", random.pick(["gzip", "br;q=2", "*"])],
    ["content-encoding", random.pick(["gzip", "identity"])],
    ["host", random.pick(["example.com", "[::1]", "a b", "a@b", "127.0.0.1:99999"])],
    [random.pick(["x-forwarded-host", "x-request-id", "forwarded", "cookie"]), random.pick(QUERY_VALUES)],
  ]);
  return { ...parts, headers: { ...headers, [name]: value } };
}

function spoiltPath(parts: Parts, random: Random): Parts {
  const segments = parts.path.split("/");
  const at = 1 + random.below(segments.length);
  switch (random.below(4)) {
    case 0:
      return { ...parts, path: segments.with(Math.min(at, segments.length - 1), random.pick(SEGMENTS)).join("/") };
    case 1:
      return { ...parts, path: segments.toSpliced(at, 0, random.pick(SEGMENTS)).join("/") };
    case 2:
      return { ...parts, path: segments.toSpliced(at, 1).join("/") || "/" };
    default:
      return { ...parts, path: `/${bytesChanged(parts.path.slice(1), random)}` };
  }
}

/** A text with some characters changed, taken out, doubled or put in. */
function bytesChanged(text: string, random: Random): string {
  let result = text;
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(result.length + 1);
    const end = Math.min(result.length, at + random.pick([0, 1, 1, 1, 8, 1_000]));
    const put = random.pick([
      "",
      "",
      String.fromCharCode(33 + random.below(94)),
      "\u00ff",
      '"',
      "%",
      result.slice(at, end).repeat(2),
    ]);
    result = result.slice(0, at) + put + result.slice(end);
  }
  return result;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Characters that would end a line of the head, or the head itself. */
const ENDS = [" ", "\t", "\n", "\r", "\0", "\v", "\f", "\x7f"];

function inOneLine(text: string, instead: string): string {
  return ENDS.reduce(
    (result, end) => (end === " " && instead === " " ? result : result.replaceAll(end, instead)),
    text,
  );
}

/** The bytes of a request. What would end a line or the request itself is left out, so that it stays one request. */
export function bytesOf({ method, path, query, headers, body }: Parts, host: string, random: Random): Buffer {
  const target = inOneLine(`${path}${query}`, "%20");
  const chunked = body !== null && random.below(8) === 0;
  const content = Buffer.from(body ?? "", random.below(20) === 0 ? "latin1" : "utf8");
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => {
    return `${name}: ${inOneLine(value, " ")}\r\n`;
  });
  const length =
    body === null ? "" : chunked ? "transfer-encoding: chunked\r\n" : `content-length: ${content.length}\r\n`;
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join("")}${length}\r\n`, "latin1");
  if (!chunked) return Buffer.concat([head, content]);
  const chunk =
    content.length === 0 ? [] : [Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from("\r\n")];
  return Buffer.concat([head, ...chunk, Buffer.from("0\r\n\r\n")]);
}
