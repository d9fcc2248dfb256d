import { describe, expect, it } from "vitest";
import {
  asAdmin,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  type Reply,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";

function rollOver(domain: string, when: unknown, headers: Record<string, string> = asAdmin): Promise<Reply> {
  return reply("POST", `/admin/domains/${domain}/rollover`, { when }, headers);
}

describe("an operator's rollover", () => {
  it("now makes the key at once, so that licence servers can go on", async () => {
    const domain = newDomain();
    const [stays, goes] = [newGuid(), newGuid()];
    await register(domain, stays);
    await register(domain, goes);
    await deregister(domain, goes);
    const answer = await rollOver(domain, "now");
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ keyVersion: 2, keyRolloverRequired: false });
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBe(2);
    expect((await register(domain, stays, { afterKeyVersion: 1 })).body.credentials).toHaveLength(1);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("at the next registration sets the flag, once", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    expect((await rollOver(domain, "next-registration")).body).toMatchObject({
      keyVersion: 1,
      keyRolloverRequired: true,
    });
    const { log } = await rows(domain);
    await rollOver(domain, "next-registration");
    expect((await rows(domain)).log).toHaveLength(log.length);
    expect((await register(domain, guid)).body.keyVersion).toBe(2);
  });

  it("makes a key each time it is asked for now, without gaps", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    await Promise.all(Array.from({ length: 5 }, () => rollOver(domain, "now")));
    expect((await rows(domain)).keys.map((key) => key.key_version)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("is of a domain that exists, of a time that is known, and of an operator", async () => {
    const domain = newDomain();
    expect((await rollOver(domain, "now")).body.error).toBe("DOMAIN_NOT_FOUND");
    await register(domain, newGuid());
    expect((await rollOver(domain, "later")).body.errors[0].field).toBe("when");
    expect((await rollOver(domain, "now", {})).status).toBe(401);
    expect((await rows(domain)).keys).toHaveLength(1);
  });
});
