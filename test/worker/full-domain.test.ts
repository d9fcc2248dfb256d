import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { mintToken, type TestNamespace, type TokenTwist } from "../support/issuers.ts";
import { asAdmin, configure, newDomain, newGuid, type Reply, register, stored } from "../support/worker/client.ts";
import { evict } from "../support/worker/objects.ts";
import { asOperator, everything, operate, paged } from "../support/worker/operators.ts";

async function asDeviceOf(namespace: TestNamespace, twist: TokenTwist = {}) {
  return { authorization: `Bearer ${await mintToken(namespace, env.TEST_ISSUER_KEYS[namespace], twist)}` };
}

/** A domain full of members, which renewed on the days 20000, 20001 and so on in the order of joining. */
async function full(members: number, settings: object = {}) {
  const domain = newDomain();
  const guids = Array.from({ length: members }, newGuid);
  for (const [index, guid] of guids.entries()) {
    await register(domain, guid);
    await stored(
      domain,
      "update domain_membership set last_renewed_on = ? where machine_guid = ?",
      20_000 + index,
      guid,
    );
  }
  await configure(domain, { maxMembership: members, ...settings });
  return { domain, guids };
}

function expectTold({ status, body }: Reply, members: string[], memberCount: number) {
  expect(status).toBe(409);
  expect(body).toMatchObject({ error: "DOM_LIMIT_REACHED", code: 502, memberCount });
  expect(body.leastRecentlyRenewed.map(({ machineGuid }: { machineGuid: string }) => machineGuid)).toEqual(
    members.map((guid) => `${guid.slice(0, 8)}…`),
  );
  for (const guid of members) expect(JSON.stringify(body)).not.toContain(guid);
}

function expectNotTold({ status, body }: Reply) {
  expect(status).toBe(409);
  expect(Object.keys(body).sort()).toEqual(["code", "error", "status", "title", "type"]);
}

describe("of a full domain", () => {
  it("a device without a credential is told that it is full, and nothing else", async () => {
    const { domain } = await full(2);
    expectNotTold(await register(domain, newGuid()));
    expectNotTold(await register(domain, newGuid(), {}, { authorization: "Bearer x" }));
  });

  it("the admin token is told which five members have not renewed for longest, longest first", async () => {
    const { domain, guids } = await full(7);
    const before = await everything(domain);
    const answer = await register(domain, newGuid(), {}, asAdmin);
    expectTold(answer, guids.slice(0, 5), 7);
    expect(
      answer.body.leastRecentlyRenewed.map(({ lastRenewedOn }: { lastRenewedOn: string }) => lastRenewedOn),
    ).toEqual(["2024-10-04", "2024-10-05", "2024-10-06", "2024-10-07", "2024-10-08"]);
    expect(await everything(domain)).toEqual(before);
  });

  it("those who renewed on one day are told in the order in which they would leave: by join time, then by GUID", async () => {
    const { domain, guids } = await full(4);
    const [first, second, ...last] = guids.toSorted().reverse() as [string, string, string, string];
    await stored(domain, "update domain_membership set last_renewed_on = 20000, joined_at = 3");
    for (const [index, guid] of [first, second].entries()) {
      await stored(domain, "update domain_membership set joined_at = ? where machine_guid = ?", index + 1, guid);
    }
    expectTold(await register(domain, newGuid(), {}, asAdmin), [first, second, ...last.reverse()], 4);
  });

  it("what is told of a member is what the list of members tells", async () => {
    const { domain } = await full(2);
    const { leastRecentlyRenewed } = (await register(domain, newGuid(), {}, asAdmin)).body;
    const withoutHandle = ({ handle, ...rest }: { handle: string }) => rest;
    const listed = (await paged(`/${domain}/members`, "members")).map(withoutHandle);
    expect(leastRecentlyRenewed.map(withoutHandle)).toEqual(expect.arrayContaining(listed));
    const { handle } = leastRecentlyRenewed[0];
    expect((await operate("DELETE", `/${domain}/members/${handle}`)).status).toBe(200);
    expect((await register(domain, newGuid())).status).toBe(201);
  });

  it("a scoped operator is told as much if it may look", async () => {
    const { domain, guids } = await full(2);
    expectTold(await register(domain, newGuid(), {}, await asOperator("domains:read")), guids, 2);
  });

  it("an operator who may not look is told of a domain of a namespace as little as a stranger", async () => {
    const { domain } = await full(2);
    // By hand: the office's token would pass for a device's, were the domain not of another namespace.
    await stored(domain, "update domain_server_info set auth_namespace = 'studio'");
    await evict(domain);
    expectNotTold(await register(domain, newGuid(), {}, await asOperator("domains:write domains:evict")));
  });

  it("the holder of a token that the domain takes is told that it is full, and nothing else", async () => {
    for (const settings of [{ authenticationRequired: true, authNamespace: "studio" }, {}]) {
      const { domain } = await full(2, settings);
      expectNotTold(await register(domain, newGuid(), {}, await asDeviceOf("studio")));
    }
  });

  it.each(["arcade", "office"] as const)(
    "the holder of a token of %s, another namespace, is not",
    async (namespace) => {
      const { domain } = await full(2, { authenticationRequired: true, authNamespace: "studio" });
      const answer = await register(domain, newGuid(), {}, await asDeviceOf(namespace));
      expect(answer.status).toBe(401);
      expect(answer.body).toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED", code: 503 });
      expect(answer.body).not.toHaveProperty("memberCount");
    },
  );

  it.each([
    ["expired", { expires: -3600 }],
    ["for another audience", { audience: "https://films.example" }],
  ])("the holder of a token that is %s is not", async (_, twist) => {
    const { domain } = await full(2);
    expectNotTold(await register(domain, newGuid(), {}, await asDeviceOf("studio", twist)));
  });

  it("nobody is told whom to remove for the quota of a subject", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true, authNamespace: "office", maxMembershipPerSubject: 1 });
    const token = await asDeviceOf("office", { claims: { sub: "sam", scope: "domains:read" } });
    expect((await register(domain, newGuid(), {}, token)).status).toBe(201);
    expectNotTold(await register(domain, newGuid(), {}, token));
  });

  it("nobody is told anything by another refusal", async () => {
    const { domain } = await full(2, { deviceKeyRequired: true });
    const answer = await register(domain, newGuid(), {}, asAdmin);
    expect(answer.body.error).toBe("DEVICE_KEY_REQUIRED");
    expect(answer.body).not.toHaveProperty("memberCount");
  });
});
