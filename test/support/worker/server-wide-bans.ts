import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { createApp } from "../../../src/server/app.ts";
import { DeviceBans } from "../../../src/server/object/device-bans.ts";
import type { TestDevice } from "../devices.ts";
import { asAdmin, ORIGIN, type Reply, reply } from "./client.ts";

/** Asks for something under `/admin/devices`. */
export const ofDevice = (method: string, path: string, body?: unknown, headers: object = asAdmin): Promise<Reply> =>
  reply(method, `/admin/devices/${path}`, body, { ...headers });

export const banEverywhere = (device: string, reason = "stolen", headers?: object) =>
  ofDevice("PUT", `${device}/ban`, { reason }, headers);

export const liftEverywhere = (device: string, headers?: object) =>
  ofDevice("DELETE", `${device}/ban`, undefined, headers);

/** The same key under another machine GUID. */
export const renamed = (device: TestDevice): TestDevice => ({ ...device, machineGuid: crypto.randomUUID() });

/** An isolate of the Worker of its own, which knows nothing of bans yet. */
export function newIsolate(vars: object = {}) {
  const environment = { ...env, ...vars } as Env;
  const app = createApp();
  async function ask(method: string, path: string, body: object): Promise<Reply> {
    const headers = { ...asAdmin, "content-type": "application/json" };
    const request = new Request(`${ORIGIN}${path}`, { method, headers, body: JSON.stringify(body) });
    const response = await app.fetch(request, environment);
    return { status: response.status, body: JSON.parse(await response.text()), headers: response.headers };
  }
  return {
    register: (domain: string, machineGuid: string) => ask("POST", `/domains/${domain}/register`, { machineGuid }),
    ban: (device: string, reason = "stolen") => ask("PUT", `/admin/devices/${device}/ban`, { reason }),
  };
}

export function expectBanned({ status, body }: { status: number; body: object }) {
  expect(body).toMatchObject({ error: "DEVICE_BANNED", status: 403 });
  expect(status).toBe(403);
}

/** Counts how often the object of the bans is asked what is banned, and lets a test answer in its place. */
export function spyOnAsks() {
  return vi.spyOn(DeviceBans.prototype, "names");
}
