import { env } from "cloudflare:workers";
import { base64url } from "jose";
import { sign, type TestDevice } from "../devices.ts";
import { mintToken, type TokenTwist } from "../issuers.ts";
import { asAdmin, ORIGIN, type Reply, reply, rows, stored } from "./client.ts";

/** Asks for something under `/admin/domains`, with the admin token unless with other headers. */
export function operate(method: string, path: string, body?: unknown, headers: object = asAdmin): Promise<Reply> {
  return reply(method, `/admin/domains${path}`, body, { ...headers });
}

/** The headers of an operator with a token of the office, for these scopes. */
export async function asOperator(scope: string, twist: TokenTwist = {}) {
  const claims = { scope, ...twist.claims };
  const token = await mintToken("office", env.TEST_ISSUER_KEYS.office, { ...twist, claims });
  return { authorization: `Bearer ${token}` };
}

/** Asks as a device does that signs. */
export async function signedBy(
  device: TestDevice,
  domain: string,
  action: "register" | "deregister",
  claims: Record<string, unknown> = {},
): Promise<Reply> {
  const path = `/domains/${domain}/${action}`;
  const jws = await sign(device, `${ORIGIN}${path}`, claims);
  return reply("POST", path, jws, { "content-type": "application/jose" });
}

/** The rows of a domain, its bans among them. */
export async function everything(domain: string) {
  return { ...(await rows(domain)), bans: await stored(domain, "select * from domain_bans") };
}

/** Everything a list holds, taken page by page. */
export async function paged(path: string, name: string, limit = 200): Promise<Reply["body"][]> {
  const found = [];
  const joint = path.includes("?") ? "&" : "?";
  let cursor = "";
  do {
    const { status, body } = await operate("GET", `${path}${joint}limit=${limit}${cursor}`);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    found.push(...body[name]);
    cursor = body.nextCursor === null ? "" : `&cursor=${body.nextCursor}`;
  } while (cursor);
  return found;
}

/** SHA-256 in base64url. */
export async function sha256(text: string): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** The id of a device in lists and in the log: an HMAC under the key that the domain's object keeps for it. */
export async function deviceId(domain: string, machineGuid: string): Promise<string> {
  const [row] = await stored(domain, "select device_id_key as key from domain_server_info");
  const bytes = (text: string) => new TextEncoder().encode(text);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(String(row?.key)), algorithm, false, ["sign"]);
  return base64url.encode(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(machineGuid))));
}
