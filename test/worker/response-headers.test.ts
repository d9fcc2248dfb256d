import { describe, expect, it } from "vitest";
import { asAdmin, newDomain, reply } from "../support/worker/client.ts";
import { askWith, registerWith } from "../support/worker/environments.ts";

describe("answers", () => {
  it.each([
    ["GET", "/health"],
    ["GET", "/domains/nowhere"],
    ["GET", "/nothing"],
    ["GET", "/admin/domains"],
    ["PUT", "/health"],
  ])("to %s %s tell browsers to make no more of them than they are", async (method, path) => {
    const { headers } = await reply(method, path);
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cache-control")).toMatch(/no-store|no-cache/);
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  const CORS = { CORS_ORIGINS: '["https://player.example"]' };

  it("are for pages of the configured origins as well, problems among them", async () => {
    const domain = newDomain();
    const origin = { origin: "https://player.example" };
    const preflight = await askWith(CORS, "OPTIONS", `/domains/${domain}/register`, undefined, {
      ...origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,idempotency-key",
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("https://player.example");
    expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("idempotency-key");
    const missing = await askWith(CORS, "GET", `/domains/${domain}`, undefined, origin);
    expect(missing.status).toBe(404);
    for (const { headers } of [missing, await registerWith(CORS, domain, origin)]) {
      expect(headers.get("access-control-allow-origin")).toBe("https://player.example");
      expect(headers.get("access-control-expose-headers")).toContain("date");
      expect(headers.get("access-control-allow-credentials")).toBeNull();
      expect(headers.get("vary")?.toLowerCase()).toContain("origin");
    }
  });

  it.each(["/keys", "/.well-known/jwks.json"])("are for them also where %s has not changed", async (path) => {
    const domain = newDomain();
    await registerWith(CORS, domain, {});
    const address = path === "/keys" ? `/domains/${domain}${path}` : path;
    const origin = { origin: "https://player.example" };
    const { headers } = await askWith(CORS, "GET", address, undefined, origin);
    const known = { ...origin, "if-none-match": headers.get("etag") as string };
    const again = await askWith(CORS, "GET", address, undefined, known);
    expect(again.status).toBe(304);
    expect(again.headers.get("access-control-allow-origin")).toBe("https://player.example");
    expect(again.headers.get("access-control-expose-headers")).toBe(headers.get("access-control-expose-headers"));
  });

  it("that are cached for one page are not served to another: they vary by origin", async () => {
    const domain = newDomain();
    await registerWith(CORS, domain, {});
    const path = `/domains/${domain}/keys/1/history`;
    for (const origin of [{}, { origin: "https://elsewhere.example" }, { origin: "https://player.example" }]) {
      const { status, headers } = await askWith(CORS, "GET", path, undefined, origin);
      expect({ status, cached: headers.get("cache-control")?.startsWith("public") }).toEqual({
        status: 200,
        cached: true,
      });
      expect(headers.get("vary")?.toLowerCase()).toBe("origin");
    }
    const { headers } = await askWith({}, "GET", path);
    expect(headers.get("vary")).toBeNull();
  });

  it.each(["https://elsewhere.example", "https://player.example.evil.example", "null"])(
    "are not for pages of %s",
    async (origin) => {
      const answer = await registerWith(CORS, newDomain(), { origin });
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  it("about the administration are for no other origin", async () => {
    const headers = { ...asAdmin, origin: "https://player.example" };
    const answer = await askWith(CORS, "GET", "/admin/domains", undefined, headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });
});
