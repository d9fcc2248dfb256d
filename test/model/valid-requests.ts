import { exportJWK, generateKeyPair } from "jose";
import { newDevice, sign } from "../support/devices.ts";
import { Connection } from "../support/node/connection.ts";
import { newTokens } from "./domain-client.ts";
import { ownerRequests } from "./owner-requests.ts";
import type { ModelServer } from "./server.ts";

/** A request in its parts, ready to be spoilt. */
export type Parts = Readonly<{
  method: string;
  path: string;
  query: string;
  headers: Readonly<Record<string, string>>;
  body: string | null;
}>;

const DOMAINS = 4;
const MEMBERS = 6;
/** How many keys a domain has besides its first. */
const ROLLOVERS = 2;
const JSON_TYPE = { "content-type": "application/json" };
const JOSE_TYPE = { "content-type": "application/jose" };

/**
 * Requests of every kind that the server takes, on some domains that are there: JSON and signed ones, with tokens,
 * idempotency keys, cursors and handles that it has given out itself.
 *
 * @param generation other domains for each
 */
export async function validRequests(server: ModelServer, generation: number): Promise<readonly Parts[]> {
  const connection = new Connection(server.origin);
  const operator = { authorization: `Bearer ${server.adminToken}` };
  const { studio, forged } = await newTokens(server);
  const sealTo = await exportJWK((await generateKeyPair("ECDH-ES", { crv: "X25519" })).publicKey);
  const requests: Parts[] = [
    { method: "GET", path: "/health", query: "", headers: {}, body: null },
    { method: "GET", path: "/.well-known/jwks.json", query: "", headers: {}, body: null },
    { method: "GET", path: "/admin/domains", query: "?limit=3&prefix=fuzz", headers: operator, body: null },
  ];
  requests.push(...(await deletions(server, connection, generation)));
  requests.push(...(await ownerRequests(server, connection, `fuzz-${generation}-owned`, studio)));
  for (let index = 0; index < DOMAINS; index++) {
    const domain = `fuzz-${generation}-${index}`;
    const path = `/domains/${domain}`;
    const admin = `/admin/domains/${domain}`;
    const guids = Array.from({ length: MEMBERS }, () => crypto.randomUUID());
    for (const machineGuid of guids) {
      await connection.ask("POST", `${path}/register`, JSON_TYPE, JSON.stringify({ machineGuid }));
    }
    const [member, other, third] = guids as [string, string, string];
    const json = (method: string, to: string, body: object, headers = {}): Parts => {
      return { method, path: to, query: "", headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(body) };
    };
    const get = (to: string, query = "", headers = {}): Parts => ({
      method: "GET",
      path: to,
      query,
      headers,
      body: null,
    });
    const signed = async (action: string, claims: object): Promise<Parts> => {
      const body = await sign(await newDevice(), `${server.origin}${path}/${action}`, { ...claims });
      return { method: "POST", path: `${path}/${action}`, query: "", headers: JOSE_TYPE, body };
    };
    const { members, nextCursor } = JSON.parse(
      (await connection.ask("GET", `${admin}/members?limit=2`, operator)).body,
    ) as { members: { handle: string }[]; nextCursor: string };
    const handle = members[0]?.handle ?? "";
    for (let rollovers = 0; rollovers < ROLLOVERS; rollovers++) {
      await connection.ask("POST", `${admin}/rollover`, { ...JSON_TYPE, ...operator }, JSON.stringify({ when: "now" }));
    }
    const { keys } = JSON.parse((await connection.ask("GET", `${path}/keys`)).body) as { keys: { kid: string }[] };
    const kid = keys[0]?.kid ?? "";
    const { etag = "" } = (await connection.ask("GET", `${path}/keys/3/history?before=2`)).headers;
    requests.push(
      json("POST", `${path}/register`, { machineGuid: member, afterKeyVersion: 1 }),
      json("POST", `${path}/register`, { machineGuid: other, encryptionKey: { ...sealTo, use: "enc" } }),
      json("POST", `${path}/register`, { machineGuid: other, credentials: "newest" }),
      json("POST", `${path}/rollover`, {}),
      { ...json("POST", `${path}/rollover`, {}), query: "?statement=true" },
      json("POST", `${path}/register`, { machineGuid: crypto.randomUUID() }, { authorization: `Bearer ${studio}` }),
      json("POST", `${path}/deregister`, { machineGuid: third, preview: true }, { authorization: `Bearer ${forged}` }),
      json("POST", `${path}/deregister`, { machineGuid: third }, { "idempotency-key": `fuzz-${generation}-${index}` }),
      json("PUT", admin, { maxMembership: 50, authenticationRequired: false }, operator),
      { ...get(admin, "", operator), method: "DELETE" },
      { ...get(admin, "?confirm=another", operator), method: "DELETE" },
      json("PATCH", admin, { memberIdleDays: 30, deleteAfterEmptyDays: 30 }, operator),
      json("PATCH", admin, { memberIdleDays: null, deleteAfterEmptyDays: null }, operator),
      json("PATCH", admin, { maxMembershipPerSubject: 2 }, operator),
      json("PUT", admin, { rolloverIntervalSeconds: 60, retireAfterDays: 30 }, operator),
      json("PATCH", admin, { rolloverIntervalSeconds: null, retireAfterDays: null }, operator),
      json("PATCH", admin, { maxMembership: null }, { ...operator, "content-type": "application/merge-patch+json" }),
      json("POST", `${admin}/rollover`, { when: "next-registration" }, operator),
      json("PUT", `${admin}/retired-keys`, { upTo: 0 }, operator),
      json("PUT", `${admin}/retired-keys`, { olderThanDays: 0 }, operator),
      json("PUT", `${admin}/bans/${third}`, { reason: "lost" }, operator),
      { ...get(`${admin}/bans/${third}`, "", operator), method: "DELETE" },
      { ...get(`${admin}/members/${handle}`, "", operator), method: "DELETE" },
      get(`${admin}/members/${other}`, "", operator),
      get(`${admin}/members`, `?limit=2&cursor=${nextCursor}`, operator),
      get(`${admin}/bans`, "?limit=200", operator),
      get(`${admin}/log`, "?order=oldest&limit=5", operator),
      get(`${admin}/log/head`, "", operator),
      get(`${admin}/log/export`, "?after=2", operator),
      get(`${admin}/activity`, "?days=3", operator),
      get(`${admin}/key-versions`, "?limit=1", operator),
      get(admin, "", operator),
      get(path),
      get(`${path}/keys`),
      get(`${path}/keys`, "?before=2"),
      get(`${path}/keys`, "?version=1"),
      get(`${path}/keys`, `?kid=${kid}`),
      get(`${path}/keys/2/history`),
      get(`${path}/keys/3/history`, "?before=2", { "if-none-match": etag }),
      await signed("register", { encryptionKey: sealTo }),
      await signed("register", { afterKeyVersion: -1 }),
      await signed("register", { iat: "soon" }),
      await signed("register", { iat: 1_000_000_000 }),
      await signed("deregister", { preview: true }),
      await signed("deregister", { aud: `${server.origin}/elsewhere` }),
      await signed("deregister", { machineGuid: other, jti: "x".repeat(200) }),
    );
  }
  connection.close();
  return requests;
}

/** Requests around deletions: of a domain of its own, and of idle ones, of which there are none. */
async function deletions(server: ModelServer, connection: Connection, generation: number): Promise<readonly Parts[]> {
  const operator = { authorization: `Bearer ${server.adminToken}` };
  const doomed = `fuzz-${generation}-doomed`;
  const path = `/admin/domains/${doomed}`;
  const rules = {
    authenticationRequired: true,
    maxMembershipPerSubject: 2,
    memberIdleDays: 30,
    deleteAfterEmptyDays: 30,
  };
  const headers = { ...JSON_TYPE, ...operator };
  await connection.ask("PUT", path, headers, JSON.stringify(rules));
  const idle = (body: object): Parts => {
    return { method: "POST", path: "/admin/domains/delete-idle", query: "", headers, body: JSON.stringify(body) };
  };
  const idleSince = "2020-01-01T00:00:00Z";
  return [
    { method: "DELETE", path, query: `?confirm=${doomed}`, headers: operator, body: null },
    { method: "PUT", path, query: "", headers, body: JSON.stringify(rules) },
    { method: "GET", path: "/admin/deletions", query: "?limit=2", headers: operator, body: null },
    idle({ idleSince, maxMembers: 0, dryRun: false }),
    idle({ idleSince, maxMembers: 3, limit: 2 }),
  ];
}
