import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { abortedAt } from "./aborted-objects.ts";
import { deregister, invariantViolations, newDomain, newGuid, register, rows } from "./client.ts";

describe("the object of a domain", () => {
  it("may be evicted between any two requests without changing an outcome", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const evict = () => evictDurableObject(env.DOMAIN_OBJECT.getByName(domain));
    expect((await register(domain, guid)).status).toBe(201);
    await evict();
    expect((await register(domain, guid)).status).toBe(200);
    await evict();
    expect((await deregister(domain, guid, { preview: true })).status).toBe(200);
    await evict();
    expect((await deregister(domain, guid)).status).toBe(200);
    await evict();
    expect((await deregister(domain, guid)).status).toBe(403);
    await evict();
    expect((await register(domain, guid)).body).toMatchObject({ newMember: true, keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("gives the same keys after an eviction", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const before = await register(domain, guid);
    await evictDurableObject(env.DOMAIN_OBJECT.getByName(domain));
    const after = await register(domain, guid);
    expect(after.body.credentials[0].privateKey).toEqual(before.body.credentials[0].privateKey);
  });

  it.each(["before", "after"] as const)("may be aborted %s a commit without changing an outcome", async (moment) => {
    const domain = newDomain();
    const guids = Array.from({ length: 20 }, newGuid);
    const joined = await abortedAt(moment, () => Promise.all(guids.map((guid) => register(domain, guid))));
    expect(joined.map(({ status }) => status)).toEqual(guids.map(() => 201));
    const left = await abortedAt(moment, () => Promise.all(guids.map((guid) => deregister(domain, guid))));
    expect(left.map(({ status }) => status)).toEqual(guids.map(() => 200));
    expect((await rows(domain)).members).toEqual([]);
    expect(await invariantViolations(domain)).toEqual([]);
  });
});
