import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/domain/types.ts";
import { newRequestId } from "../../src/server/request-ids.ts";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";
import { claimsOf, domainAt, keySet } from "../support/worker/key-versions.ts";
import { execute, executeAsBatch, gist, joins, leaves, operators } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

/** Asks for the rollover that is due, as anybody may. */
function rollOver(domain: string, body?: unknown, headers: Record<string, string> = {}) {
  return reply("POST", `/domains/${domain}/rollover`, body, headers);
}

async function versions(domain: string): Promise<unknown[]> {
  return (await rows(domain)).keys.map((key) => key.key_version);
}

/** A domain at a version with a rollover that is due. */
async function domainWithLeave(version: number) {
  const { domain, member } = await domainAt(version);
  await deregister(domain, member);
  return { domain, member };
}

describe("POST /domains/{domain}/rollover", () => {
  it("carries out a rollover that is due, once", async () => {
    const { domain } = await domainWithLeave(1);
    expect((await keySet(domain)).body.currentKeyVersion).toBeNull();
    const answer = await rollOver(domain);
    expect(answer).toMatchObject({ status: 200, body: { domain, keyVersion: 2 } });
    expect(Object.keys(answer.body).sort()).toEqual(["domain", "keyVersion"]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect((await keySet(domain)).body.currentKeyVersion).toBe(2);
    const before = await rows(domain);
    for (let times = 0; times < 3; times++) expect((await rollOver(domain)).body.keyVersion).toBe(2);
    expect(await rows(domain)).toEqual(before);
    expect(before.info).toMatchObject({ key_rollover_required: 0, key_version: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("makes the same key that the next registration would have made", async () => {
    const { domain, member } = await domainWithLeave(1);
    await rollOver(domain);
    const joined = await register(domain, member);
    expect(joined.body).toMatchObject({ newMember: true, keyVersion: 2 });
    expect(await versions(domain)).toEqual([1, 2]);
    const { kid } = (await keySet(domain, "?version=2")).body.keys[0];
    const { log } = await rows(domain);
    const changes = log.map(({ changes }) => JSON.parse(changes as string));
    expect(changes.at(-2)).toEqual([{ type: "key-made", keyVersion: 2, kid }]);
    expect(changes.at(-1)).toEqual([expect.objectContaining({ type: "device-joined" })]);
  });

  it.each([
    ["no body", undefined, {}],
    ["a body that says otherwise", { when: "now", keyVersion: 99 }, {}],
    ["a body that is not JSON", "{", {}],
    ["a credential that is none", undefined, { authorization: "Bearer nonsense" }],
  ])("with %s does nothing where none is due", async (_, body, headers) => {
    const { domain } = await domainAt(2);
    const before = await rows(domain);
    expect(await rollOver(domain, body, headers as Record<string, string>)).toMatchObject({
      status: 200,
      body: { domain, keyVersion: 2 },
    });
    expect(await rows(domain)).toEqual(before);
  });

  it("makes the first key of a domain that an operator set up", async () => {
    const domain = newDomain();
    await configure(domain, {});
    expect((await rollOver(domain)).body).toEqual({ domain, keyVersion: 1 });
    expect((await keySet(domain)).body.currentKeyVersion).toBe(1);
    expect((await register(domain, newGuid())).body.keyVersion).toBe(1);
  });

  it("is done for anyone, where joining takes a token or a device key", async () => {
    const { domain, member } = await domainAt(1);
    await configure(domain, { authenticationRequired: true, deviceKeyRequired: true });
    await operate("DELETE", `/${domain}/members/${member}`);
    expect((await rollOver(domain)).body).toEqual({ domain, keyVersion: 2 });
    expect((await register(domain, member)).status).toBe(401);
  });

  it.each([
    ["an eviction", (domain: string, member: string) => operate("DELETE", `/${domain}/members/${member}`)],
    ["a ban", (domain: string, member: string) => operate("PUT", `/${domain}/bans/${member}`, { reason: "stolen" })],
    [
      "an operator's rollover at the next registration",
      (domain: string) => operate("POST", `/${domain}/rollover`, { when: "next-registration" }),
    ],
  ])("carries out the one of %s", async (_, change) => {
    const { domain, member } = await domainAt(1);
    await configure(domain, { rolloverIntervalSeconds: 3600 });
    expect((await change(domain, member)).status).toBeLessThan(300);
    expect((await rollOver(domain)).body.keyVersion).toBe(2);
  });

  it("does nothing while the rollover of a leave is postponed", async () => {
    const { domain, member } = await domainAt(1);
    await configure(domain, { rolloverIntervalSeconds: 3600 });
    await deregister(domain, member);
    const before = await rows(domain);
    expect(before.info?.key_rollover_required).toBe(1);
    expect((await rollOver(domain)).body).toEqual({ domain, keyVersion: 1 });
    expect(await rows(domain)).toEqual(before);
    expect((await keySet(domain)).body.currentKeyVersion).toBe(1);
  });

  it("makes exactly one key together with joins and others that ask for it", async () => {
    const { domain } = await domainWithLeave(1);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 ? rollOver(domain) : register(domain, newGuid()))),
    );
    for (const { status, body } of answers) expect([[200, 201].includes(status), body.keyVersion]).toEqual([true, 2]);
    expect(await versions(domain)).toEqual([1, 2]);
    expect((await rows(domain)).members).toHaveLength(20);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("carries out what is due by then if the object is asked again", async () => {
    const { domain, member } = await domainWithLeave(1);
    const command = { type: "due-rollover", requestId: newRequestId() } as const;
    const makes = (keyVersion: number) => ({ granted: true, grant: { keyVersion } });
    expect(await execute(domain, command)).toMatchObject(makes(2));
    expect(await execute(domain, command)).toMatchObject(makes(2));
    await register(domain, member);
    await deregister(domain, member);
    expect(await execute(domain, command)).toMatchObject(makes(3));
    expect(await versions(domain)).toEqual([1, 2, 3]);
  });

  it("states the key it made, also to those who ask for it while devices leave", async () => {
    const { domain, member } = await domainWithLeave(1);
    for (let version = 2; version < 5; version++) {
      const [{ body }] = await Promise.all([
        reply("POST", `/domains/${domain}/rollover?statement=true`),
        register(domain, member).then(() => deregister(domain, member)),
      ]);
      const claims = await claimsOf(body.statement, "domain-key-statement+jwt");
      const { x } = (await keySet(domain, `?version=${body.keyVersion}`)).body.keys[0];
      expect(claims).toMatchObject({ sub: domain, key_version: body.keyVersion, cnf: { jwk: { x } } });
      expect(claims.revision).toBeLessThanOrEqual((await rows(domain)).info?.revision as number);
    }
  });

  it("states a key that is still current, also if a device that got it left in the same batch", async () => {
    const { domain, member } = await domainAt(1);
    const other = newGuid();
    await register(domain, other);
    await deregister(domain, other);
    const [, rollover] = await executeAsBatch(
      domain,
      // Alone: what follows is one batch.
      operators({ type: "ban", machineGuid: newGuid(), reason: "lost" }),
      { type: "due-rollover", requestId: newRequestId() },
      joins(member),
      leaves(member),
    );
    const { statement } = gist(rollover as Outcome<object>) as { statement: string };
    const stated = await claimsOf(statement, "domain-key-statement+jwt");
    const present = await claimsOf((await keySet(domain)).body.statement, "domain-key-statement+jwt");
    expect(stated.key_version).toBe(present.key_version);
  });

  it("states nothing unless it is asked to, and knows no other question", async () => {
    const { domain } = await domainWithLeave(1);
    for (const query of ["", "?statement=false"]) {
      expect((await reply("POST", `/domains/${domain}/rollover${query}`)).body).toEqual({ domain, keyVersion: 2 });
    }
    for (const [query, field] of [
      ["?statement=1", "statement"],
      ["?when=now", "when"],
    ]) {
      const { status, body } = await reply("POST", `/domains/${domain}/rollover${query}`);
      expect([status, body.errors[0].field]).toEqual([400, field]);
    }
  });

  it("does not find an unknown domain, and creates none", async () => {
    const domain = newDomain();
    expect(await rollOver(domain)).toMatchObject({ status: 404, body: { error: "DOMAIN_NOT_FOUND" } });
    expect(await rows(domain)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it("names a malformed domain, and is a POST", async () => {
    expect(await rollOver("a..b")).toMatchObject({ status: 400, body: { errors: [{ field: "domain" }] } });
    const { status, headers } = await reply("GET", `/domains/${newDomain()}/rollover`);
    expect([status, headers.get("allow")]).toEqual([405, "POST"]);
  });
});
