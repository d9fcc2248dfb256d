import { describe, expect } from "vitest";
import { DeviceDomain } from "../../src/client/index.ts";
import { test } from "../support/browser/stage.ts";
import { standing } from "../support/browser/tabs.ts";
import { TestDomain } from "../support/browser/test-domain.ts";

describe("what the server refuses is thrown in the page by its name", () => {
  test("with its number: a full domain", async ({ domain, openDeviceTab }) => {
    await domain.configure({ maxMembership: 1 });
    await (await DeviceDomain.open(domain.url)).join();
    const tab = await openDeviceTab();
    expect(await tab.evaluate(() => outcome(device.join()))).toMatchObject({
      thrown: "DomainServerError",
      error: "DOM_LIMIT_REACHED",
      code: 502,
      status: 409,
      retryable: false,
    });
    expect(await standing(tab)).toMatchObject({ status: "new" });
  });

  test("with its number: a domain that wants a token", async ({ domain, openDeviceTab }) => {
    await domain.configure({ authenticationRequired: true });
    const tab = await openDeviceTab();
    expect(await tab.evaluate(() => outcome(device.join()))).toMatchObject({
      thrown: "DomainServerError",
      error: "DOM_AUTHENTICATION_REQUIRED",
      code: 503,
      status: 401,
      retryable: false,
    });
  });

  test("with its number: a leave of a device that is not a member", async ({ domain, openDeviceTab }) => {
    await domain.configure({});
    const tab = await openDeviceTab();
    expect(await tab.evaluate(() => outcome(device.leave()))).toMatchObject({
      thrown: "DomainServerError",
      error: "DEREG_DENIED",
      code: 401,
      status: 403,
      retryable: false,
    });
  });

  test("a domain that is not there", async ({ openDeviceTab }) => {
    const tab = await openDeviceTab();
    expect(await tab.evaluate(() => outcome(device.domain()))).toMatchObject({
      thrown: "DomainServerError",
      error: "DOMAIN_NOT_FOUND",
      code: null,
      status: 404,
    });
  });

  test("the name of another device", async ({ domain, openDeviceTab }) => {
    const machineGuid = crypto.randomUUID();
    await (await DeviceDomain.open(domain.url, { machineGuid })).join();
    const tab = await openDeviceTab({ machineGuid });
    expect(await tab.evaluate(() => outcome(device.join()))).toMatchObject({
      thrown: "DomainServerError",
      error: "DEVICE_PROOF_INVALID",
      status: 403,
    });
  });
});

describe("what goes wrong in the page is thrown by its name", () => {
  test("a server that hangs up", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab({ retries: 0 });
    const request = domain.hold("register", "request");
    const joining = tab.evaluate(() => outcome(device.join()));
    await request.reached;
    request.lose();
    expect(await joining).toMatchObject({ thrown: "DeviceDomainError", error: "UNREACHABLE", retryable: true });
  });

  test("a redirection, which is not followed", async ({ site, domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    const answer = domain.hold("register", "answer");
    const joining = tab.evaluate(() => outcome(device.join()));
    await answer.reached;
    const elsewhere = new TestDomain(site);
    answer.release({ status: 307, headers: { location: `${elsewhere.url}/register` }, body: "" });
    expect(await joining).toMatchObject({ thrown: "DomainServerError", error: "UNEXPECTED_ANSWER", retryable: false });
    await expect(elsewhere.overview()).rejects.toThrow("DOMAIN_NOT_FOUND");
  });

  test("calls out of turn, and secrets for others", async ({ site, domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    const notAMember = { thrown: "DeviceDomainError", error: "NOT_A_MEMBER", retryable: false };
    expect(await tab.evaluate(() => outcome(device.renew()))).toMatchObject(notAMember);
    expect(await tab.evaluate(() => outcome(device.decrypt("anything")))).toMatchObject(notAMember);

    await tab.evaluate(() => device.join());
    const other = new TestDomain(site);
    await (await DeviceDomain.open(other.url)).join();
    const secrets = [
      await other.encrypt("a film"),
      "no secret",
      `${(await domain.encrypt("a film")).slice(0, -4)}AAAA`,
    ];
    const errors = await tab.evaluate((each) => Promise.all(each.map((jwe) => outcome(device.decrypt(jwe)))), secrets);
    expect(errors).toMatchObject([
      { thrown: "DeviceDomainError", error: "KEY_NOT_HELD" },
      { thrown: "DeviceDomainError", error: "UNREADABLE_SECRET" },
      { thrown: "DeviceDomainError", error: "UNREADABLE_SECRET" },
    ]);
  });

  test("a device that cannot be opened", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    const errors = await tab.evaluate(async (url) => {
      const store = new library.IndexedDbStore();
      return [
        await outcome(library.DeviceDomain.open("http://domains.example/domains/den", { store })),
        await outcome(library.DeviceDomain.open(url, { store, machineGuid: crypto.randomUUID() })),
      ];
    }, domain.url);
    expect(errors).toMatchObject([
      { thrown: "DeviceDomainError", error: "INVALID_DOMAIN_URL" },
      { thrown: "DeviceDomainError", error: "MACHINE_GUID_CONFLICT" },
    ]);
  });
});
