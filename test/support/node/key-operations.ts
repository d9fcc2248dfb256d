import { calculateJwkThumbprint, createLocalJWKSet, decodeJwt, type JWK, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { newDevice, sign } from "../devices.ts";
import { type ContractClient, GUID } from "./contract-client.ts";

/** As many keys as one response lists, and two more. */
const MANY = 102;

type Page = { keyVersion: number; credentials: { keyVersion: number }[]; olderKeyVersions?: object };
type KeySet = { keys: { key_version: number; kid: string }[]; olderKeyVersions?: object };

const versionsOf = ({ credentials }: Page) => credentials.map(({ keyVersion }) => keyVersion);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** The requests for keys that anyone may send, for a server whose responses are checked against its description. */
export function describeKeyOperations(client: () => ContractClient): void {
  describe("a domain's public keys", () => {
    it("come with a signed statement, also while a rollover is due, and are sent once while they are the same", async () => {
      const api = client();
      const path = { domain: await api.newMemberDomain() };
      expect(await api.expectRevalidated("getDomainKeys", { path })).toMatchObject({ currentKeyVersion: 1 });
      await api.expectAnswer(200, null, "deregister", { path, body: { machineGuid: GUID } });
      expect(await api.expectAnswer(200, null, "getDomainKeys", { path })).toMatchObject({ currentKeyVersion: null });
    });

    it("are none before the first registration", async () => {
      const api = client();
      const path = { domain: await api.createdDomain() };
      const set = await api.expectAnswer(200, null, "getDomainKeys", { path });
      expect(set).toMatchObject({ keys: [], currentKeyVersion: null });
    });

    it("are had one by one, by their version or their thumbprint", async () => {
      const api = client();
      const path = { domain: await api.newDomainOfKeys(2) };
      const get = (query: Record<string, string>) => api.expectAnswer(200, null, "getDomainKeys", { path, query });
      const both = (await get({})) as KeySet;
      for (const key of both.keys) {
        expect(key.kid).toBe(await calculateJwkThumbprint(key as JWK));
        for (const query of [{ version: `${key.key_version}` }, { kid: key.kid }]) {
          const { keys, olderKeyVersions } = (await get(query)) as KeySet;
          expect({ keys, olderKeyVersions }).toEqual({ keys: [key], olderKeyVersions: undefined });
        }
      }
      for (const query of [{ version: "3" }, { kid: "another" }]) {
        await api.expectAnswer(404, "NOT_FOUND", "getDomainKeys", { path, query });
      }
    });

    it("of a domain that had a rollover due have a successor once anyone asked for it", async () => {
      const api = client();
      const path = { domain: await api.newMemberDomain() };
      const { domain } = path;
      const rollover = () => api.expectAnswer(200, null, "carryOutRollover", { path });
      expect(await rollover()).toEqual({ domain, keyVersion: 1 });
      await api.expectAnswer(200, null, "deregister", { path, body: { machineGuid: GUID } });
      expect(await rollover()).toEqual({ domain, keyVersion: 2 });
      expect(await rollover()).toEqual({ domain, keyVersion: 2 });
      expect(await api.expectAnswer(200, null, "getDomainKeys", { path })).toMatchObject({ currentKeyVersion: 2 });
      const query = { statement: "true" };
      const stated = (await api.expectAnswer(200, null, "carryOutRollover", { path, query })) as { statement: string };
      expect(decodeJwt(stated.statement)).toMatchObject({ sub: domain, key_version: 2 });
      const wrong = { path, query: { statement: "perhaps" } };
      await api.expectAnswer(400, "INVALID_REQUEST", "carryOutRollover", wrong);
    });
  });

  describe("a domain of more keys than a response lists", () => {
    it("tells which are older, in registrations, key sets and pages of the history", async () => {
      const api = client();
      const path = { domain: await api.newDomainOfKeys(MANY) };
      const renew = async (members: object) =>
        (await api.expectAnswer(200, null, "register", { path, body: { machineGuid: GUID, ...members } })) as Page;
      const all = await renew({});
      expect(versionsOf(all)).toEqual(range(3, MANY));
      expect(all.olderKeyVersions).toEqual({ from: 1, to: 2 });
      const newest = await renew({ credentials: "newest" });
      expect(versionsOf(newest)).toEqual([MANY]);
      expect(newest.olderKeyVersions).toEqual({ from: 1, to: MANY - 1 });
      expect(await renew({ afterKeyVersion: 2 })).not.toHaveProperty("olderKeyVersions");

      const keys = async (query: Record<string, string>) => {
        const set = (await api.expectAnswer(200, null, "getDomainKeys", { path, query })) as KeySet;
        return { versions: set.keys.map((key) => key.key_version), older: set.olderKeyVersions };
      };
      expect(await keys({})).toEqual({ versions: range(3, MANY), older: { from: 1, to: 2 } });
      expect(await keys({ before: "3" })).toEqual({ versions: [1, 2], older: undefined });

      const history = async (query: Record<string, string>) => {
        const request = { path: { ...path, keyVersion: `${MANY}` }, query };
        const page = (await api.expectAnswer(200, null, "getKeyHistory", request)) as Page;
        return { versions: versionsOf(page), older: page.olderKeyVersions };
      };
      expect(await history({})).toEqual({ versions: range(2, MANY - 1), older: { from: 1, to: 1 } });
      expect(await history({ before: "2" })).toEqual({ versions: [1], older: undefined });
    });
  });

  describe("the history of a domain's keys", () => {
    it("has the older ones, is sent once while it is the same, and has none that are retired", async () => {
      const api = client();
      const domain = await api.newDomainOfKeys(3);
      const request = { path: { domain, keyVersion: "3" } };
      const page = (await api.expectRevalidated("getKeyHistory", request)) as Page;
      expect({ ...page, credentials: versionsOf(page) }).toMatchObject({ domain, keyVersion: 3, credentials: [1, 2] });
      const { headers } = await api.ask(api.contract.operation("getKeyHistory"), request);
      await api.expectAnswer(200, null, "retireKeys", api.admin({ path: { domain }, body: { upTo: 1 } }));
      const known = { ...request, headers: { "if-none-match": headers.get("etag") ?? "" } };
      expect(versionsOf((await api.expectAnswer(200, null, "getKeyHistory", known)) as Page)).toEqual([2]);
    });

    it("is empty for the first key, and is not there for a key that is not", async () => {
      const api = client();
      const domain = await api.newMemberDomain();
      const of = (keyVersion: string, before?: string) => ({
        path: { domain, keyVersion },
        ...(before === undefined ? {} : { query: { before } }),
      });
      expect(await api.expectAnswer(200, null, "getKeyHistory", of("1"))).toMatchObject({ credentials: [] });
      await api.expectAnswer(404, "NOT_FOUND", "getKeyHistory", of("2"));
      for (const request of [of("1", "2"), of("1", "0"), of("0"), of("one")]) {
        await api.expectAnswer(400, "INVALID_REQUEST", "getKeyHistory", request);
      }
    });
  });

  describe("a device whose clock is wrong", () => {
    it("gets the server's time, signed for its request, and no device else does", async () => {
      const api = client();
      const path = { domain: await api.createdDomain() };
      const device = await newDevice();
      const refusal = async (claims: Record<string, unknown>) => {
        const body = await sign(device, api.urlOf("register", path), claims);
        const request = { path, type: "application/jose", body };
        return (await api.expectAnswer(403, "DEVICE_PROOF_INVALID", "register", request)) as { serverTime?: string };
      };
      const jti = crypto.randomUUID();
      const before = Math.floor(Date.now() / 1000);
      const { serverTime } = await refusal({ iat: before - 86_400, jti });
      const authority = await api.expectAnswer(200, null, "getAuthorityKeys", {});
      const keys = createLocalJWKSet(authority as Parameters<typeof createLocalJWKSet>[0]);
      const { payload } = await jwtVerify(serverTime ?? "", keys, { typ: "server-time+jwt" });
      expect(payload).toEqual({ iss: new URL(api.urlOf("getHealth")).origin, iat: expect.any(Number), jti });
      expect(payload.iat).toBeGreaterThanOrEqual(before);
      expect(payload.iat).toBeLessThanOrEqual(Date.now() / 1000);
      expect(await refusal({ aud: "https://elsewhere.example/" })).not.toHaveProperty("serverTime");
    });
  });

  describe("the server's own keys", () => {
    it("are sent once while they are the same", () => client().expectRevalidated("getAuthorityKeys", {}));
  });
}
