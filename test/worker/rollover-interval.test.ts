import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import {
  asAdmin,
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  ORIGIN,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { domainAt, keySet } from "../support/worker/key-versions.ts";
import { evict, executeAsBatch, gist, joins, leaves, setEnvironment } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

const HOUR = 3600;

afterEach(() => vi.restoreAllMocks());

/** Sets the clock to so many seconds after now. */
function later(seconds: number): void {
  const time = Date.now() + seconds * 1000;
  vi.spyOn(Date, "now").mockReturnValue(time);
}

async function current(domain: string): Promise<number | null> {
  return (await keySet(domain)).body.currentKeyVersion;
}

async function join(domain: string): Promise<number> {
  return (await register(domain, newGuid())).body.keyVersion;
}

/** A domain at key version 1 with two members and an interval. */
async function domainWith(rolloverIntervalSeconds: number) {
  const { domain, member } = await domainAt(1);
  await configure(domain, { rolloverIntervalSeconds });
  const leaver = newGuid();
  await register(domain, leaver);
  return { domain, member, leaver };
}

describe("a domain with a rollover interval", () => {
  it("keeps its current key after a leave, and makes none for those who join, until the interval is over", async () => {
    const { domain, member, leaver } = await domainWith(HOUR);
    const etag = (await keySet(domain)).headers.get("etag") as string;
    expect((await deregister(domain, leaver)).body.deregistered).toBe(true);
    expect(await current(domain)).toBe(1);
    expect((await keySet(domain, "", { "if-none-match": etag })).status).toBe(304);
    expect((await reply("GET", `/domains/${domain}`)).body.keyVersion).toBe(1);
    expect([await join(domain), (await register(domain, member)).body.keyVersion]).toEqual([1, 1]);
    expect((await rows(domain)).info).toMatchObject({ key_rollover_required: 1, key_version: 1 });
    later(HOUR);
    expect(await current(domain)).toBeNull();
    expect((await register(domain, member)).body.keyVersion).toBe(2);
    expect(await current(domain)).toBe(2);
    expect((await rows(domain)).info).toMatchObject({ key_rollover_required: 0, key_version: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("remembers the time when its object begins anew", async () => {
    const { domain, leaver } = await domainWith(HOUR);
    await deregister(domain, leaver);
    await evict(domain);
    expect([await current(domain), await join(domain)]).toEqual([1, 1]);
    later(HOUR);
    await evict(domain);
    expect([await current(domain), await join(domain)]).toEqual([null, 2]);
  });

  it("makes one key for all leaves of a batch, or none yet", async () => {
    const { domain, member, leaver } = await domainWith(HOUR);
    const outcomes = await executeAsBatch(domain, joins(newGuid()), leaves(leaver), joins(newGuid()), leaves(member));
    for (const [index, outcome] of outcomes.entries()) {
      expect(gist(outcome)).toMatchObject(index % 2 ? { deregistered: true } : { keyVersion: 1 });
    }
    later(HOUR);
    await Promise.all(Array.from({ length: 8 }, () => join(domain)));
    expect((await rows(domain)).keys).toHaveLength(2);
  });

  it.each([
    ["an eviction", (domain: string, member: string) => operate("DELETE", `/${domain}/members/${member}`), null],
    [
      "a ban",
      (domain: string, member: string) => operate("PUT", `/${domain}/bans/${member}`, { reason: "lost" }),
      null,
    ],
    ["a rollover now", (domain: string) => operate("POST", `/${domain}/rollover`, { when: "now" }), 2],
    [
      "a rollover at the next registration",
      (domain: string) => operate("POST", `/${domain}/rollover`, { when: "next-registration" }),
      null,
    ],
  ])("is not asked to wait by %s, before a leave or after it", async (_, change, now) => {
    for (const leavesFirst of [false, true]) {
      const { domain, member, leaver } = await domainWith(HOUR);
      if (leavesFirst) await deregister(domain, leaver);
      expect((await change(domain, member)).status).toBeLessThan(300);
      expect([await current(domain), await join(domain)]).toEqual([now, 2]);
      expect((await rows(domain)).keys).toHaveLength(2);
    }
  });

  it("may be given a shorter one, which counts at once", async () => {
    const { domain, leaver } = await domainWith(HOUR);
    await deregister(domain, leaver);
    expect((await operate("PATCH", `/${domain}`, { rolloverIntervalSeconds: 60 })).status).toBe(200);
    expect(await current(domain)).toBe(1);
    later(60);
    expect([await current(domain), await join(domain)]).toEqual([null, 2]);
  });

  it("goes on as the reference has it if the interval is taken away", async () => {
    const { domain, leaver } = await domainWith(HOUR);
    await deregister(domain, leaver);
    expect((await configure(domain, {})).body).toMatchObject({ rolloverIntervalSeconds: 0, keyRolloverRequired: true });
    expect([await current(domain), await join(domain)]).toEqual([null, 2]);
  });

  it("shows it to operators, logs it, and has it copied", async () => {
    const { domain } = await domainWith(HOUR);
    expect((await operate("GET", `/${domain}`)).body).toMatchObject({ rolloverIntervalSeconds: HOUR });
    const entries: { changes: { type: string }[] }[] = (await operate("GET", `/${domain}/log`)).body.entries;
    expect(entries.flatMap(({ changes }) => changes).filter(({ type }) => type === "settings-changed")).toEqual([
      expect.objectContaining({
        settings: expect.objectContaining({ rolloverIntervalSeconds: HOUR }),
        previous: expect.objectContaining({ rolloverIntervalSeconds: null }),
      }),
    ]);
    await expectCopied(domain);
    expect((await operate("GET", `?prefix=${domain}`)).body.domains[0]).toMatchObject({
      rolloverIntervalSeconds: HOUR,
    });
  });
});

describe("a domain that nobody gave an interval", () => {
  const SERVER = { DEFAULT_ROLLOVER_INTERVAL_SECONDS: "3600" };

  it("is as the reference has it, unless the server says otherwise", async () => {
    for (const [environment, version] of [
      [{}, null],
      [{ DEFAULT_ROLLOVER_INTERVAL_SECONDS: "0" }, null],
      [SERVER, 1],
    ] as const) {
      const domain = newDomain();
      await setEnvironment(domain, environment);
      const leaver = newGuid();
      await register(domain, leaver);
      await deregister(domain, leaver);
      expect([await current(domain), await join(domain)]).toEqual([version, version ?? 2]);
    }
  });

  it("keeps its own of zero where the server has one, and takes the server's again for null", async () => {
    const domain = newDomain();
    await setEnvironment(domain, SERVER);
    const [one, two] = [newGuid(), newGuid()];
    await configure(domain, { rolloverIntervalSeconds: 0 });
    for (const guid of [one, two]) await register(domain, guid);
    await deregister(domain, one);
    expect([await current(domain), await join(domain)]).toEqual([null, 2]);
    await operate("PATCH", `/${domain}`, { rolloverIntervalSeconds: null });
    await deregister(domain, two);
    expect([await current(domain), await join(domain)]).toEqual([2, 2]);
  });

  it("shows operators what holds, alone and in the list", async () => {
    const [plain, own] = [newDomain(), newDomain()];
    await configure(plain, {});
    await configure(own, { rolloverIntervalSeconds: 7 });
    for (const domain of [plain, own]) await expectCopied(domain);
    const shown = async (path: string) => {
      const headers = new Headers(asAdmin);
      const response = await createApp().request(`${ORIGIN}/admin/domains${path}`, { headers }, { ...env, ...SERVER });
      return response.json<Record<string, unknown>>();
    };
    for (const [domain, seconds] of [
      [plain, HOUR],
      [own, 7],
    ] as const) {
      expect(await shown(`/${domain}`)).toMatchObject({ rolloverIntervalSeconds: seconds });
      expect(await shown(`?prefix=${domain}`)).toMatchObject({ domains: [{ rolloverIntervalSeconds: seconds }] });
    }
  });
});
