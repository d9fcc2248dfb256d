import { describe, expect, it } from "vitest";
import { newDevice } from "../support/devices.ts";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  rows,
  stored,
} from "../support/worker/client.ts";
import { runAlarm } from "../support/worker/objects.ts";
import { signedBy } from "../support/worker/operators.ts";

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
    expect(first.body).toEqual({ domain, machineGuid: guid, preview: false, allowed: true, deregistered: true });
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
    const domain = newDomain();
    const guid = newGuid();
    const key = crypto.randomUUID();
    await register(domain, guid);
    await deregister(domain, guid, {}, withKey(key));
    const before = await rows(domain);
    const answer = await deregister(domain, guid, { preview: true }, withKey(key));
    expect(answer.status).toBe(422);
    expect(answer.body.error).toBe("IDEMPOTENCY_KEY_REUSED");
    expect(await rows(domain)).toEqual(before);
  });

  it("is refused with the jti that a registration was signed with", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    const jti = crypto.randomUUID();
    expect((await signedBy(device, domain, "register", { jti })).status).toBe(201);
    const before = await rows(domain);
    const answer = await signedBy(device, domain, "deregister", { jti });
    expect([answer.status, answer.body.error]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
    expect(await rows(domain)).toEqual(before);
  });

  it("has nothing to do with the same key of another device, or in another domain", async () => {
    const [domain, elsewhere] = [newDomain(), newDomain()];
    const [guid, other, stranger] = [newGuid(), newGuid(), newGuid()];
    const key = crypto.randomUUID();
    for (const each of [guid, other]) await register(domain, each);
    await register(elsewhere, guid);
    expect((await deregister(domain, guid, {}, withKey(key))).body.deregistered).toBe(true);
    const answer = await deregister(domain, other, { preview: true }, withKey(key));
    expect([answer.status, answer.body.deregistered]).toEqual([200, false]);
    expect((await deregister(domain, other, {}, withKey(key))).body.deregistered).toBe(true);
    expect((await deregister(elsewhere, guid, {}, withKey(key))).body.deregistered).toBe(true);
    expect((await deregister(domain, stranger, {}, withKey(key))).body.error).toBe("DEREG_DENIED");
    for (const each of [domain, elsewhere]) {
      expect((await rows(each)).members).toEqual([]);
      expect(await invariantViolations(each)).toEqual([]);
    }
  });

  it("leaves both of two domains, if two are asked at once with the same key", async () => {
    const domains = [newDomain(), newDomain()];
    const guid = newGuid();
    const key = crypto.randomUUID();
    for (const domain of domains) await register(domain, guid);
    const answers = await Promise.all(domains.map((domain) => deregister(domain, guid, {}, withKey(key))));
    expect(answers.map(({ status, body }) => [status, body.deregistered])).toEqual([
      [200, true],
      [200, true],
    ]);
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
  const ids = async (domain: string) =>
    (await stored(domain, "select id from domain_requests order by recorded_at")).map(({ id }) => id);

  it("is kept for 7 days at least, and cleared away by the object's alarm", async () => {
    const domain = newDomain();
    const [young, old] = [newGuid(), newGuid()];
    for (const [guid, days] of [
      [old, 9],
      [young, 7],
    ] as const) {
      await register(domain, guid);
      await deregister(domain, guid, {}, withKey("key"));
      await stored(
        domain,
        "update domain_requests set recorded_at = recorded_at - ? where id = ?",
        days * DAY,
        `${guid} key`,
      );
    }
    await runAlarm(domain);
    expect(await ids(domain)).toContain(`${young} key`);
    expect(await ids(domain)).not.toContain(`${old} key`);
    expect((await deregister(domain, young, {}, withKey("key"))).body.deregistered).toBe(true);
    expect((await deregister(domain, old, {}, withKey("key"))).body.error).toBe("DEREG_DENIED");
  });

  it("is cleared away without a scan", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const plan = await stored(
      domain,
      "explain query plan delete from domain_requests where length(id) > 36 and recorded_at < ?",
      Date.now(),
    );
    const details = plan.map(({ detail }) => detail).join("\n");
    expect(details).toContain("INDEX domain_requests_by_age (recorded_at<?)");
    expect(details).not.toMatch(/^SCAN/m);
  });
});
