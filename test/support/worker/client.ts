import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";

/** The origin that tests ask for; nothing listens there. */
export const ORIGIN = "https://domains.example";

/** Asks the Worker under test. */
export function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return exports.default.fetch(
    new Request(`${ORIGIN}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
}

/** An answer's status and its JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape, and assert what they find
export type Reply = { status: number; body: any; headers: Headers };

/** Asks, and reads the answer. */
export async function reply(...args: Parameters<typeof ask>): Promise<Reply> {
  const response = await ask(...args);
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text), headers: response.headers };
}

export function register(domain: string, machineGuid: string, more: object = {}, headers = {}): Promise<Reply> {
  return reply("POST", `/domains/${domain}/register`, { machineGuid, ...more }, headers);
}

export function deregister(domain: string, machineGuid: string, more: object = {}, headers = {}): Promise<Reply> {
  return reply("POST", `/domains/${domain}/deregister`, { machineGuid, ...more }, headers);
}

export const asAdmin = { authorization: `Bearer ${env.ADMIN_TOKEN}` };

/** Creates or replaces a domain's settings. */
export function configure(domain: string, settings: object): Promise<Reply> {
  return reply("PUT", `/admin/domains/${domain}`, settings, asAdmin);
}

let count = 0;

/** A domain name no other test uses. */
export function newDomain(): string {
  return `test-${++count}-${crypto.randomUUID().slice(0, 8)}`;
}

export function newGuid(): string {
  return crypto.randomUUID();
}

type Row = Record<string, unknown>;

/** All rows of a query on the storage of a domain's object; none if it has no tables. */
export function stored(domain: string, query: string, ...values: (string | number | null)[]): Promise<Row[]> {
  return runInDurableObject(env.DOMAIN_OBJECT.getByName(domain), (_, { storage }) => {
    const [tables] = storage.sql.exec("select 1 from sqlite_master where name = 'domain_server_info'");
    return tables ? storage.sql.exec<Record<string, string | number | null>>(query, ...values).toArray() : [];
  });
}

/** Everything that is held of a domain: by its object, or by the database where objects keep nothing. */
export async function rows(domain: string) {
  const all = async (table: string): Promise<Row[]> => {
    const ofObject = await stored(domain, `select * from ${table}`);
    if (ofObject.length > 0 || !env.TEST_LITERAL) return ofObject;
    return (await env.DB.prepare(`select * from ${table} where domain = ?`).bind(domain).all<Row>()).results;
  };
  const [[info], members, keys, log] = await Promise.all([
    all("domain_server_info"),
    all("domain_membership"),
    all("domain_keys"),
    all("domain_log"),
  ]);
  return { info, members, keys, log };
}

/** The invariants of every domain, at every moment. */
export async function invariantViolations(domain: string): Promise<string[]> {
  const { info, members, keys, log } = await rows(domain);
  const dense = (numbers: unknown[]) => numbers.every((number, index) => number === index + 1);
  const violations: string[] = [];
  if (info?.member_count !== members.length) violations.push(`${info?.member_count} counted, ${members.length} rows`);
  if (!dense(keys.map((key) => key.key_version))) violations.push("key versions have gaps");
  if (!dense(log.map((row) => row.revision))) violations.push("revisions have gaps");
  if (info?.revision !== log.length) violations.push(`revision ${info?.revision}, ${log.length} log rows`);
  return violations;
}
