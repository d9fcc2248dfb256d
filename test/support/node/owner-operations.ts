import { describe, expect, it } from "vitest";
import type { ContractClient, Request } from "./contract-client.ts";

/** The subject whose token `asOwner` shows. */
export const OWNER = "someone";

/** The client of the server that is tested, and a request with the token of an owner. */
type Tested = Readonly<{ api: ContractClient; asOwner: (request: Request) => Request }>;

/** The same, and a request with the token of a subject that has a domain of its own. */
type TestedWithHouseholder = Tested & Readonly<{ asHouseholder: (request: Request) => Request }>;

type Device = Readonly<{ handle: string; name: string | null; thisDevice: boolean }>;

/** A new domain that belongs to an owner, with one device: its machine GUID, and what names it in a path. */
export async function newOwnedDomain({ api, asOwner }: Tested) {
  const settings = { authenticationRequired: true, authNamespace: "studio", ownerSubject: OWNER };
  const path = { domain: await api.createdDomain(settings) };
  const machineGuid = crypto.randomUUID();
  await api.expectAnswer(201, null, "register", asOwner({ path, body: { machineGuid, deviceName: "TV" } }));
  const { devices } = (await api.expectAnswer(200, null, "listDevices", asOwner({ path }))) as { devices: [Device] };
  return { path: { ...path, handle: devices[0].handle }, machineGuid };
}

/** The tests of what owners ask for. */
export function describeOwnerOperations(tested: () => TestedWithHouseholder): void {
  describe("owners", () => {
    it("see and rename their devices", async () => {
      const { api, asOwner } = tested();
      const { path, machineGuid } = await newOwnedDomain(tested());
      const headers = { "machine-guid": machineGuid };
      const listed = await api.expectAnswer(200, null, "listDevices", asOwner({ path, headers }));
      expect(listed).toMatchObject({ memberCount: 1, devices: [{ name: "TV", thisDevice: true }] });
      const renaming = asOwner({ path, headers, body: { name: "Kitchen TV" } });
      const renamed = await api.expectAnswer(200, null, "renameDevice", renaming);
      expect(renamed).toMatchObject({ name: "Kitchen TV", thisDevice: true });
      const query = { limit: "0" };
      await api.expectAnswer(400, "INVALID_REQUEST", "listDevices", asOwner({ path, query }));
    });

    it("remove a device, and all of them", async () => {
      const { api, asOwner } = tested();
      const { path } = await newOwnedDomain(tested());
      expect(await api.expectAnswer(200, null, "removeDevice", asOwner({ path }))).toMatchObject({ removed: 1 });
      await api.expectAnswer(404, "NOT_FOUND", "removeDevice", asOwner({ path }));
      await api.expectAnswer(404, "NOT_FOUND", "renameDevice", asOwner({ path, body: { name: null } }));
      for (const query of [{ except: path.handle }, {}]) {
        const body = { machineGuid: crypto.randomUUID() };
        await api.expectAnswer(201, null, "register", asOwner({ path, body }));
        const removed = await api.expectAnswer(200, null, "removeDevices", asOwner({ path, query }));
        expect(removed).toMatchObject({ removed: 1 });
      }
    });

    it("are told where to sign in, and the domain that their token stands for", async () => {
      const { api, asHouseholder, asOwner } = tested();
      expect(await api.expectAnswer(200, null, "getSignIn", {})).toMatchObject({ issuers: [{ scope: "openid" }] });
      const own = await api.expectAnswer(200, null, "getOwnDomain", asHouseholder({}));
      expect(own).toEqual({ domain: `home:${OWNER}` });
      await api.expectAnswer(404, "NOT_FOUND", "getOwnDomain", asOwner({}));
      await api.expectAnswer(401, "DOM_AUTHENTICATION_REQUIRED", "getOwnDomain", {});
    });

    it("have to show a token, and a domain that has an owner", async () => {
      const { api, asOwner } = tested();
      const { path } = await newOwnedDomain(tested());
      const ownerless = { ...path, domain: await api.createdDomain() };
      for (const id of ["listDevices", "removeDevices", "renameDevice", "removeDevice"]) {
        const body = { name: "TV" };
        await api.expectAnswer(401, "DOM_AUTHENTICATION_REQUIRED", id, { path, body });
        await api.expectAnswer(404, "NOT_FOUND", id, asOwner({ path: ownerless, body }));
      }
    });
  });
}
