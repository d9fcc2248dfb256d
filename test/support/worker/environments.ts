import { env } from "cloudflare:workers";
import { createApp } from "../../../src/server/app.ts";
import { newGuid, ORIGIN } from "./client.ts";

/** Asks an application in an environment of its own; its Durable Objects are those of all. */
export async function askWith(
  vars: object,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) {
  const request = new Request(`${ORIGIN}${path}`, {
    method,
    headers: { ...(body ? { "content-type": "application/json" } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const response = await createApp().fetch(request, { ...env, ...vars } as Env);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}

/** A rate limit that lets each key through so many times. */
export function limitOf(times: number) {
  const counts = new Map<string, number>();
  return {
    counts,
    limit: async ({ key }: { key: string }) => {
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return { success: (counts.get(key) as number) <= times };
    },
  };
}

/** The headers of a request from a client address. */
export const from = (address: string) => ({ "cf-connecting-ip": address });

/** Has a new device join a domain, in an environment of its own. */
export const registerWith = (vars: object, domain: string, headers = {}) =>
  askWith(vars, "POST", `/domains/${domain}/register`, { machineGuid: newGuid() }, headers);
