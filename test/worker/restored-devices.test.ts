import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { MemoryStore } from "../../src/client/memory-store.ts";
import { encryptToDomain } from "../../src/licence/domain-encryption.ts";
import { MemoryRevisionStore } from "../../src/licence/revision-store.ts";
import { newDomain, ORIGIN } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { evict, objectOf } from "../support/worker/objects.ts";

const fetch: typeof globalThis.fetch = (...args) => exports.default.fetch(new Request(...args));

/** A device, what it holds, and how it opens secrets. */
async function newDevice(domain: string) {
  const store = new MemoryStore();
  const url = `${ORIGIN}/domains/${domain}`;
  const device = await DeviceDomain.open(url, { fetch, store });
  return {
    device,
    opens: async (jwe: string) => new TextDecoder().decode(await device.decrypt(jwe)),
    versions: async () => (await store.load(url))?.credentials.map(({ keyVersion }) => keyVersion),
  };
}

/** Another device comes and goes, and a rollover follows. */
async function rollOver(domain: string): Promise<void> {
  const { device } = await newDevice(domain);
  await device.join();
  await device.leave();
  await fetch(`${ORIGIN}/domains/${domain}/rollover`, { method: "POST" });
}

/** The object of a domain is lost, with all it holds. */
async function loseObject(domain: string): Promise<void> {
  await runInDurableObject(objectOf(domain), (_, { storage }) => storage.deleteAll());
  await evict(domain);
}

/** Has the database have the domain as it was at a key version. */
async function restoreDatabase(domain: string, keyVersion: number): Promise<void> {
  await env.DB.prepare("delete from domain_keys where domain = ? and key_version > ?").bind(domain, keyVersion).run();
}

describe("devices of a domain whose object was lost", () => {
  it("go on by themselves, and open what was and is encrypted", async () => {
    const domain = newDomain();
    const [tv, phone] = [await newDevice(domain), await newDevice(domain)];
    await Promise.all([tv.device.join(), phone.device.join()]);
    await rollOver(domain);
    const revisions = new MemoryRevisionStore();
    const encrypt = (text: string) => encryptToDomain(`${ORIGIN}/domains/${domain}`, text, { fetch, revisions });
    const before = await encrypt("before");
    await tv.device.renew();
    await expectCopied(domain);

    await loseObject(domain);
    const after = await encrypt("after");
    expect(await tv.device.renew()).toEqual({ newMember: false, keyVersion: 3 });
    expect(await phone.device.renew()).toEqual({ newMember: false, keyVersion: 3 });
    for (const { opens } of [tv, phone]) expect([await opens(before), await opens(after)]).toEqual(["before", "after"]);
  });

  it("keep the key of a version that the restore lost beside the one that is made anew", async () => {
    const domain = newDomain();
    const [tv, phone] = [await newDevice(domain), await newDevice(domain)];
    await tv.device.join();
    await rollOver(domain);
    await rollOver(domain);
    const revisions = new MemoryRevisionStore();
    const encrypt = (text: string) => encryptToDomain(`${ORIGIN}/domains/${domain}`, text, { fetch, revisions });
    await tv.device.renew();
    const lost = await encrypt("to the lost key");
    await expectCopied(domain);

    await loseObject(domain);
    await restoreDatabase(domain, 2);
    expect(await phone.device.join()).toEqual({ newMember: true, keyVersion: 3 });
    const anew = await encrypt("to the key made anew");
    expect(await phone.opens(anew)).toBe("to the key made anew");
    await expect(phone.device.decrypt(lost)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });

    await expect(tv.device.decrypt(anew)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    expect(await tv.device.renew()).toEqual({ newMember: false, keyVersion: 3 });
    expect(await tv.versions()).toEqual([1, 3, 3]);
    expect([await tv.opens(lost), await tv.opens(anew)]).toEqual(["to the lost key", "to the key made anew"]);
    await tv.device.leave();
    expect((await tv.device.join()).newMember).toBe(true);
  });
});
