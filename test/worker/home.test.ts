import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ask, ORIGIN } from "../support/worker/client.ts";

describe("the first page", () => {
  it("says what is where, runs no script and loads nothing from elsewhere", async () => {
    const answer = await ask("GET", "/");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    const html = await answer.text();
    expect(html).not.toContain("<script");
    const links = [...html.matchAll(/<a href="([^"]+)"/g)].map(([, link]) => link);
    expect(links).toEqual(["/docs", "/openapi.json", "/console", "/health"]);
    expect(ORIGIN).not.toContain("localhost");
  });

  it("of a local server is the console", async () => {
    const answer = await exports.default.fetch(new Request("http://localhost:8787/", { redirect: "manual" }));
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "/console"]);
  });
});
