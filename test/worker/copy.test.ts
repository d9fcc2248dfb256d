import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, configure, deregister, newDomain, newGuid, register, reply } from "../support/worker/client.ts";
import { copyOf, expectCopied } from "../support/worker/copied.ts";

/** A domain with members, one that left, a ban, settings and several keys. */
async function lived(): Promise<string> {
  const domain = newDomain();
  const guids = Array.from({ length: 5 }, newGuid);
  await Promise.all(guids.map((guid) => register(domain, guid)));
  await deregister(domain, guids[0] as string);
  await register(domain, newGuid());
  await configure(domain, { maxMembership: 10 });
  await reply("PUT", `/admin/domains/${domain}/bans/${guids[1]}`, { reason: "lost" }, asAdmin);
  return domain;
}

describe("the copy in the database", () => {
  it("comes to hold every row of the domain", async () => {
    const domain = await lived();
    await expectCopied(domain);
    const { body } = await reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
    expect(body.copiedRevision).toBe(body.revision);
    expect(body.copySecondsBehind).toBe(0);
  });

  it("comes right by itself when the database lost everything", async () => {
    const domain = await lived();
    await expectCopied(domain);
    for (const table of ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"]) {
      await env.DB.prepare(`delete from ${table} where domain = ?`).bind(domain).run();
    }
    await register(domain, newGuid());
    await expectCopied(domain);
  });

  it("comes right when an operator asks for it, whatever the database had of the domain", async () => {
    const domain = await lived();
    await expectCopied(domain);
    const before = await copyOf(domain);
    await env.DB.prepare("update domain_server_info set revision = 2, head = 'other' where domain = ?")
      .bind(domain)
      .run();
    await env.DB.prepare("update domain_membership set joined_at = 1 where domain = ?").bind(domain).run();
    await env.DB.prepare("insert into domain_membership (domain, machine_guid) values (?, ?)").bind(domain, "zz").run();
    const { status, body } = await reply("POST", `/admin/domains/${domain}/copy`, undefined, asAdmin);
    expect([status, body.copiedRevision]).toEqual([200, body.revision]);
    expect(await copyOf(domain)).toEqual(before);
  });
});
