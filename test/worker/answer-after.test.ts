import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, deregister, newDomain, newGuid, register, reply } from "../support/worker/client.ts";
import { copyOf, expectCopied, original } from "../support/worker/copied.ts";

// Runs under both configurations of ANSWER_AFTER.

/** Has the database refuse rows of members while something is asked. */
async function withoutMembersTable<T>(ask: () => Promise<T>): Promise<T> {
  await env.DB.prepare("alter table domain_membership rename to gone").run();
  try {
    return await ask();
  } finally {
    await env.DB.prepare("alter table gone rename to domain_membership").run();
  }
}

describe.runIf(env.ANSWER_AFTER === "database")("a server that answers after the database", () => {
  it("answers a change once the database has it", async () => {
    const domain = newDomain();
    const guid = newGuid();
    for (const ask of [register, register, deregister, register]) {
      expect((await ask(domain, guid)).status).toBeLessThan(300);
      expect(await copyOf(domain)).toEqual(await original(domain));
    }
  });

  it("refuses retryably what the database does not take, and carries it out once", async () => {
    const domain = newDomain();
    const [first, guid] = [newGuid(), newGuid()];
    await register(domain, first);
    const refusal = await withoutMembersTable(() => register(domain, guid));
    expect([refusal.status, refusal.body.error]).toEqual([503, "TEMPORARILY_UNAVAILABLE"]);
    const repeated = await register(domain, guid);
    expect([repeated.status, repeated.body.newMember]).toEqual([200, false]);
    expect(await copyOf(domain)).toEqual(await original(domain));
  });
});

describe.runIf(env.ANSWER_AFTER === "object")("a server that answers after the object", () => {
  it("serves devices while the database takes nothing, and copies it all later", async () => {
    const domain = newDomain();
    const [first, guid] = [newGuid(), newGuid()];
    await register(domain, first);
    await expectCopied(domain);
    await withoutMembersTable(async () => {
      expect((await register(domain, guid)).status).toBe(201);
      expect((await register(domain, guid)).status).toBe(200);
      expect((await deregister(domain, first)).status).toBe(200);
      const overview = await reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
      expect(overview.body.copiedRevision).toBeLessThan(overview.body.revision);
    });
    await expectCopied(domain);
  });

  it("tells an operator that the database does not have a change yet", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    await expectCopied(domain);
    const path = `/admin/domains/${domain}/members/${guid}`;
    const eviction = await withoutMembersTable(() => reply("DELETE", path, undefined, asAdmin));
    expect([eviction.status, eviction.body]).toEqual([200, { domain, evicted: true, copied: false }]);
    await expectCopied(domain);
  });
});
