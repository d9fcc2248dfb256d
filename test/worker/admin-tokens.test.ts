import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { newDomain, ORIGIN, rows } from "../support/worker/client.ts";

afterEach(() => vi.restoreAllMocks());

describe("two admin tokens", () => {
  const previous = "the-admin-token-that-was-there-before";
  const list = (environment: object, token: string) =>
    createApp().fetch(
      new Request(`${ORIGIN}/admin/domains`, { headers: { authorization: `Bearer ${token}` } }),
      environment as Env,
    );

  it("are both taken while the former one is configured, and nothing else", async () => {
    const both = { ...env, ADMIN_TOKEN_PREVIOUS: previous };
    const statuses = async (environment: object) =>
      Promise.all(
        [env.ADMIN_TOKEN, previous, `${previous}x`, ""].map(async (token) => (await list(environment, token)).status),
      );
    expect(await statuses(both)).toEqual([200, 200, 401, 401]);
    expect(await statuses(env)).toEqual([200, 401, 401, 401]);
    expect(await statuses({ ...env, ADMIN_TOKEN_PREVIOUS: "" })).toEqual([200, 401, 401, 401]);
  });

  it("are both compared in full, whichever it is", async () => {
    const compare = vi.spyOn(crypto.subtle, "timingSafeEqual");
    for (const token of [env.ADMIN_TOKEN, previous, "neither", ""]) {
      compare.mockClear();
      await list({ ...env, ADMIN_TOKEN_PREVIOUS: previous }, token);
      expect(compare).toHaveBeenCalledTimes(2);
      for (const [guess, truth] of compare.mock.calls) {
        expect([(guess as ArrayBuffer).byteLength, (truth as ArrayBuffer).byteLength]).toEqual([32, 32]);
      }
    }
  });

  it("are one operator in the log", async () => {
    const domain = newDomain();
    const response = await createApp().fetch(
      new Request(`${ORIGIN}/admin/domains/${domain}`, {
        method: "PUT",
        headers: { authorization: `Bearer ${previous}`, "content-type": "application/json" },
        body: JSON.stringify({ maxMembership: 3 }),
      }),
      { ...env, ADMIN_TOKEN_PREVIOUS: previous } as Env,
    );
    expect(response.status).toBe(201);
    const changes = JSON.parse((await rows(domain)).log[0]?.changes as string) as { by?: string }[];
    expect(changes.flatMap(({ by }) => by ?? [])).toEqual(["admin-token"]);
  });
});
