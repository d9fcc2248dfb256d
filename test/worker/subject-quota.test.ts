import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/domain/events.ts";
import { mintToken, type TestNamespace } from "../support/issuers.ts";
import {
  asAdmin,
  configure,
  deregister,
  newDomain,
  newGuid,
  register,
  reply,
  rows,
  stored,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { execute, executeAsBatch, gist, joins, operators } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

/** The headers of a device that has a token of a subject. */
async function by(sub: string | undefined, namespace: TestNamespace = "studio") {
  const token = await mintToken(namespace, env.TEST_ISSUER_KEYS[namespace], { claims: { sub } });
  return { authorization: `Bearer ${token}` };
}

let domain: string;
beforeEach(async () => {
  domain = newDomain();
  await configure(domain, { authenticationRequired: true, maxMembershipPerSubject: 2, maxMembership: 5 });
});

const join = async (guid: string, headers: Record<string, string>) => register(domain, guid, {}, headers);

describe("a quota for each token subject", () => {
  it("keeps one token from filling a domain, and lets others in", async () => {
    const token = await by("alice");
    const statuses = [];
    for (let count = 0; count < 5; count++) statuses.push((await join(newGuid(), token)).status);
    expect(statuses).toEqual([201, 201, 409, 409, 409]);
    const refused = await join(newGuid(), await by("alice"));
    expect(refused.body).toMatchObject({ error: "DOM_LIMIT_REACHED", code: 502 });
    expect((await join(newGuid(), await by("bob"))).status).toBe(201);
    expect((await rows(domain)).members).toHaveLength(3);
  });

  it("holds however many come at once", async () => {
    const auth = { kind: "verified", namespace: "studio", keyThumbprint: null, subjectHash: "alice" } as const;
    const outcomes = await executeAsBatch(domain, ...Array.from({ length: 6 }, () => joins(newGuid(), { auth })));
    expect(outcomes.map(gist).filter((outcome) => outcome === "DOM_LIMIT_REACHED")).toHaveLength(4);
  });

  it("holds from its setting on, also for joins in one batch with that", async () => {
    await configure(domain, { authenticationRequired: true });
    const auth = { kind: "verified", namespace: "studio", keyThumbprint: null, subjectHash: "alice" } as const;
    expect(gist(await execute(domain, joins(newGuid(), { auth })))).toMatchObject({ newMember: true });
    const setting = operators({ type: "settings", mode: "merge", patch: { maxMembershipPerSubject: 2 } });
    const join = () => joins(newGuid(), { auth });
    const outcomes = await executeAsBatch(domain, join(), setting, join(), join());
    expect(outcomes.slice(2).map(gist)).toEqual(["DOM_LIMIT_REACHED", "DOM_LIMIT_REACHED"]);
    expect((await rows(domain)).members).toHaveLength(2);
  });

  it("holds in the batch that makes the domain", async () => {
    const auth = { kind: "verified", namespace: "studio", keyThumbprint: null, subjectHash: "alice" } as const;
    const settings = { ...DEFAULT_SETTINGS, authenticationRequired: true, maxMembershipPerSubject: 2 };
    const birth = { settings, by: "DOMAIN_DEFAULTS" } as const;
    const crowd = () => Array.from({ length: 8 }, () => joins(newGuid(), { auth, birth }));
    const made = newDomain();
    // A batch of several has the next one wait for others, also if the domain is deleted in between.
    await executeAsBatch(made, ...crowd());
    expect((await reply("DELETE", `/admin/domains/${made}?confirm=${made}`, undefined, asAdmin)).status).toBe(200);
    await scheduler.wait(2);
    const outcomes = await executeAsBatch(made, ...crowd());
    expect(outcomes.filter(({ granted }) => granted)).toHaveLength(2);
    expect((await rows(made)).members).toHaveLength(2);
  });

  it("counts the members there are: who leaves or is evicted makes room, who renews takes none", async () => {
    const token = await by("alice");
    const [one, two, three, four] = [newGuid(), newGuid(), newGuid(), newGuid()];
    await join(one, token);
    await join(two, token);
    expect((await join(one, token)).status).toBe(200);
    expect((await join(three, token)).status).toBe(409);
    await deregister(domain, one, {}, token);
    expect((await join(three, token)).status).toBe(201);
    await operate("DELETE", `/${domain}/members/${two}`);
    expect((await join(four, token)).status).toBe(201);
    expect((await join(one, token)).status).toBe(409);
  });

  it("tells the same subject of two issuers apart", async () => {
    await join(newGuid(), await by("alice"));
    await join(newGuid(), await by("alice"));
    expect((await join(newGuid(), await by("alice", "arcade"))).status).toBe(201);
  });

  it("refuses a token that names no subject, though not the renewal of a member", async () => {
    const nameless = await by(undefined);
    const refused = await join(newGuid(), nameless);
    expect([refused.status, refused.body.error]).toEqual([401, "DOM_AUTHENTICATION_REQUIRED"]);
    const guid = newGuid();
    await join(guid, await by("alice"));
    expect((await join(guid, nameless)).status).toBe(200);
  });

  it("counts those who joined before it was set, and none once it is taken away", async () => {
    await reply("PATCH", `/admin/domains/${domain}`, { maxMembershipPerSubject: null }, asAdmin);
    const token = await by("alice");
    for (let count = 0; count < 3; count++) expect((await join(newGuid(), token)).status).toBe(201);
    await reply("PATCH", `/admin/domains/${domain}`, { maxMembershipPerSubject: 3 }, asAdmin);
    expect((await join(newGuid(), token)).status).toBe(409);
    await reply("PATCH", `/admin/domains/${domain}`, { maxMembershipPerSubject: null }, asAdmin);
    expect((await join(newGuid(), token)).status).toBe(201);
  });

  it("keeps a hash of the subject with the member, which is nowhere to be read, and goes to the database", async () => {
    await join(newGuid(), await by("alice@example.com"));
    const [member] = await stored(domain, "select * from domain_membership");
    expect(member?.subject_hash).toMatch(/^[\w-]{43}$/);
    await expectCopied(domain);
    const told = await Promise.all(
      ["", "/members", "/log", "/audit"].map(async (path) => {
        const response = await operate("GET", `/${domain}${path}`).catch(() => null);
        return JSON.stringify(response?.body ?? "");
      }),
    );
    expect(told.join()).not.toContain("alice");
    expect(told.join()).not.toContain(String(member?.subject_hash));
  });

  it("needs a domain that requires tokens, and where none is required, no subject is kept", async () => {
    const open = newDomain();
    const refused = await configure(open, { maxMembershipPerSubject: 2 });
    expect([refused.status, refused.body.errors[0].field]).toEqual([400, "maxMembershipPerSubject"]);
    await register(open, newGuid(), {}, await by("alice"));
    expect(await stored(open, "select subject_hash from domain_membership")).toEqual([{ subject_hash: null }]);
    const { status } = await reply("PATCH", `/admin/domains/${domain}`, { maxMembershipPerSubject: 0 }, asAdmin);
    expect(status).toBe(400);
  });

  it("is kept by a repeat of the request: it counts once", async () => {
    const auth = { kind: "verified", namespace: "studio", keyThumbprint: null, subjectHash: "alice" } as const;
    const command = joins(newGuid(), { auth });
    expect(gist(await execute(domain, command))).toMatchObject({ newMember: true });
    expect(gist(await execute(domain, command))).toMatchObject({ newMember: true });
    expect(gist(await execute(domain, joins(newGuid(), { auth })))).toMatchObject({ newMember: true });
    expect(gist(await execute(domain, joins(newGuid(), { auth })))).toBe("DOM_LIMIT_REACHED");
  });
});
