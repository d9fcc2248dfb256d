import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { deregister, invariantViolations, newDomain, newGuid, register, rows } from "./client.ts";

const DAY = 24 * 60 * 60 * 1_000;
const withKey = (key: string) => ({ "idempotency-key": key });

describe("a leave with an Idempotency-Key", () => {
  it("may be repeated, and gets the same answer", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const key = crypto.randomUUID();
    await register(domain, guid);
    const first = await deregister(domain, guid, {}, withKey(key));
    expect(first.status).toBe(200);
    const before = await rows(domain);
    const again = await deregister(domain, guid, {}, withKey(key));
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(await rows(domain)).toEqual(before);
  });

  it("does not take out a device that came back", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const key = crypto.randomUUID();
    await register(domain, guid);
    await deregister(domain, guid, {}, withKey(key));
    await register(domain, guid);
    expect((await deregister(domain, guid, {}, withKey(key))).body.deregistered).toBe(true);
    expect((await rows(domain)).members).toHaveLength(1);
  });

  it("is denied the second time without the key", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await deregister(domain, guid, {}, withKey(crypto.randomUUID()));
    expect((await deregister(domain, guid)).body.error).toBe("DEREG_DENIED");
  });

  it("leaves once, however many times it is asked at once", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const key = crypto.randomUUID();
    await register(domain, guid);
    const answers = await Promise.all(Array.from({ length: 50 }, () => deregister(domain, guid, {}, withKey(key))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await rows(domain)).info?.revision).toBe(2);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("is refused with anything else in it differing", async () => {
    const [domain, elsewhere] = [newDomain(), newDomain()];
    const [guid, other] = [newGuid(), newGuid()];
    const key = crypto.randomUUID();
    for (const each of [guid, other]) await register(domain, each);
    await register(elsewhere, guid);
    await deregister(domain, guid, {}, withKey(key));
    const before = [await rows(domain), await rows(elsewhere)];
    for (const answer of [
      await deregister(domain, other, {}, withKey(key)),
      await deregister(elsewhere, guid, {}, withKey(key)),
      await deregister(domain, guid, { preview: true }, withKey(key)),
    ]) {
      expect(answer.status).toBe(422);
      expect(answer.body.error).toBe("IDEMPOTENCY_KEY_REUSED");
    }
    expect([await rows(domain), await rows(elsewhere)]).toEqual(before);
  });

  it("leaves one of two domains, if two are asked at once with the same key", async () => {
    const domains = [newDomain(), newDomain()];
    const guid = newGuid();
    const key = crypto.randomUUID();
    for (const domain of domains) await register(domain, guid);
    const answers = await Promise.all(domains.map((domain) => deregister(domain, guid, {}, withKey(key))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 422]);
    for (const domain of domains) expect(await invariantViolations(domain)).toEqual([]);
  });

  it("keeps nothing for a preview or a refusal", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const key = crypto.randomUUID();
    expect((await deregister(domain, guid, {}, withKey(key))).status).toBe(403);
    await register(domain, guid);
    expect((await deregister(domain, guid, { preview: true }, withKey(key))).body.deregistered).toBe(false);
    expect((await deregister(domain, guid, {}, withKey(key))).body.deregistered).toBe(true);
  });

  it.each([
    ["a space in it", "a b"],
    ["129 characters", "x".repeat(129)],
    ["non-ASCII", "clé"],
  ])("must be well formed: %s", async (_, key) => {
    const answer = await deregister(newDomain(), newGuid(), {}, withKey(key));
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe("idempotency-key");
  });
});

describe("the record of a leave", () => {
  const leaveWith = async (key: string) => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await deregister(domain, guid, {}, withKey(key));
    return { domain, guid };
  };
  const age = (key: string, days: number) =>
    env.DB.prepare("update domain_requests set recorded_at = recorded_at - ? where request_key = ?")
      .bind(days * DAY, key)
      .run();
  const kept = async (key: string) =>
    (await env.DB.prepare("select 1 from domain_requests where request_key = ?").bind(key).all()).results.length === 1;

  it("is kept for 7 days at least, and cleared away by later leaves", async () => {
    const [young, old] = [crypto.randomUUID(), crypto.randomUUID()];
    await leaveWith(young);
    await leaveWith(old);
    await age(young, 7);
    await age(old, 9);
    await leaveWith(crypto.randomUUID());
    expect(await kept(young)).toBe(true);
    expect(await kept(old)).toBe(false);
  });

  it("is cleared away without a scan", async () => {
    const plan = await env.DB.prepare(
      `explain query plan delete from domain_requests where request_key in (
         select request_key from domain_requests where recorded_at < ? order by recorded_at asc limit 20)`,
    )
      .bind(Date.now())
      .all<{ detail: string }>();
    const details = plan.results.map(({ detail }) => detail).join("\n");
    expect(details).toContain("USING COVERING INDEX domain_requests_by_age (recorded_at<?)");
    expect(details).not.toMatch(/^SCAN/m);
  });
});
