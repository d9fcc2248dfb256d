import { env } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { asAdmin, deregister, newDomain, newGuid, register } from "../support/worker/client.ts";

afterEach(() => vi.restoreAllMocks());

const app = createApp();

/** Asks a server that nobody told its address. */
async function ask(origin: string, method: string, path: string, body?: object, headers = {}) {
  const request = new Request(`${origin}${path}`, {
    method,
    headers: { ...(body ? { "content-type": "application/json" } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const response = await app.fetch(request, { ...env, DOMAIN_SERVER_URL: "" });
  // biome-ignore lint/suspicious/noExplicitAny: tests assert what they find
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

/** A domain with a member and two keys, made by a server that knows its address. */
async function domainWithHistory(): Promise<string> {
  const [domain, leaver] = [newDomain(), newGuid()];
  await register(domain, leaver);
  await deregister(domain, leaver);
  expect((await register(domain, newGuid())).body.keyVersion).toBe(2);
  return domain;
}

describe("a server without DOMAIN_SERVER_URL", () => {
  it.each([
    ["POST", "/register", { machineGuid: newGuid() }],
    ["POST", "/deregister", { machineGuid: newGuid() }],
    ["POST", "/rollover", undefined],
    ["GET", "/keys", undefined],
    ["GET", "/keys/2/history", undefined],
  ])("lets no Host choose what %s …%s signs, and logs why", async (method, path, body) => {
    const logged = vi.spyOn(console, "info").mockImplementation(() => {});
    const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
    const answer = await ask("https://evil.example", method, `/domains/${await domainWithHistory()}${path}`, body);
    expect(answer).toMatchObject({ status: 503, body: { error: "TEMPORARILY_UNAVAILABLE" } });
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(logged.mock.calls.join()).toContain("DOMAIN_SERVER_URL is not set: npm run deploy asks for it");
    // A domain's object was not even called.
    expect(warned).not.toHaveBeenCalled();
  });

  it.each([
    ["PUT", "/admin/domains/{domain}", {}],
    ["GET", "/admin/domains/{domain}/log/head", undefined],
    ["GET", "/.well-known/jwks.json", undefined],
    ["GET", "/health", undefined],
  ])("is not there for %s %s either", async (method, template, body) => {
    vi.spyOn(console, "info").mockImplementation(() => {});
    const path = template.replace("{domain}", await domainWithHistory());
    expect((await ask("https://domains.example", method, path, body, asAdmin)).status).toBe(503);
  });

  it.each([
    "https://localhost.evil.example",
    "https://127.0.0.1.evil.example",
    "https://localhost@evil.example",
    "https://10.0.0.1",
    "https://0.0.0.0",
    "https://[::2]",
  ])("takes %s for no loopback address", async (origin) => {
    vi.spyOn(console, "info").mockImplementation(() => {});
    expect((await ask(origin, "GET", "/.well-known/jwks.json")).status).toBe(503);
  });

  it.each([
    "http://localhost:8787",
    "http://127.0.0.1:8787",
    "http://127.9.9.9",
    "http://[::1]:8787",
    "https://LOCALHOST",
  ])("goes on locally, at %s", async (origin) => {
    const { status, body } = await ask(origin, "POST", `/domains/${newDomain()}/register`, { machineGuid: newGuid() });
    expect(status).toBe(201);
    expect(decodeJwt(body.credentials[0].token).iss).toBe(origin.toLowerCase());
  });
});
