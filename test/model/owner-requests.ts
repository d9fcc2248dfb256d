import type { Connection } from "../support/node/connection.ts";
import { DEVICE_NAME_SIGN } from "./log-scan.ts";
import type { ModelServer } from "./server.ts";
import { TOKEN_SUBJECTS } from "./subjects.ts";
import type { Parts } from "./valid-requests.ts";

const DEVICES = 3;
const JSON_TYPE = { "content-type": "application/json" };

/**
 * The requests of a domain's owner, and of devices that have names.
 *
 * @param domain the domain, which comes into being by this
 * @param token the owner's
 */
export async function ownerRequests(
  server: ModelServer,
  connection: Connection,
  domain: string,
  token: string,
): Promise<readonly Parts[]> {
  const path = `/domains/${domain}`;
  const owner = { authorization: `Bearer ${token}` };
  const operator = { authorization: `Bearer ${server.adminToken}`, ...JSON_TYPE };
  const { namespace, sub } = TOKEN_SUBJECTS.studio;
  const settings = { authenticationRequired: true, authNamespace: namespace, ownerSubject: sub };
  await connection.ask("PUT", `/admin${path}`, operator, JSON.stringify(settings));
  const joins = Array.from({ length: DEVICES }, (_, index) => {
    return { machineGuid: crypto.randomUUID(), deviceName: `${DEVICE_NAME_SIGN} ${index}` };
  });
  const headers = { ...owner, ...JSON_TYPE };
  for (const join of joins) await connection.ask("POST", `${path}/register`, headers, JSON.stringify(join));
  const { devices, nextCursor } = JSON.parse((await connection.ask("GET", `${path}/devices?limit=2`, owner)).body) as {
    devices: { handle: string }[];
    nextCursor: string;
  };
  const [renamed = "", removed = ""] = devices.map(({ handle }) => `${path}/devices/${handle}`);
  const parts = (method: string, to: string, query = "", body: object | null = null): Parts => {
    return { method, path: to, query, headers, body: body && JSON.stringify(body) };
  };
  const asking = { ...owner, "machine-guid": joins[0]?.machineGuid ?? "" };
  return [
    ...joins.map((join) => parts("POST", `${path}/register`, "", join)),
    { ...parts("GET", `${path}/devices`), headers: asking },
    parts("GET", `${path}/devices`, `?limit=2&cursor=${nextCursor}`),
    parts("PATCH", renamed, "", { name: `${DEVICE_NAME_SIGN} renamed` }),
    parts("PATCH", renamed, "", { name: null }),
    parts("DELETE", removed),
    parts("DELETE", `${path}/devices`, `?except=${devices[0]?.handle ?? ""}`),
  ];
}
