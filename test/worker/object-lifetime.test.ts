import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { repeatedCall } from "../../src/server/http/domain-objects.ts";
import type { Problem } from "../../src/server/http/problems.ts";
import { abortedAt } from "../support/worker/aborted-objects.ts";
import {
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  type Reply,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { execute, gist, joins, objectOf, runAlarm } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

describe("the object of a domain", () => {
  it("may be evicted between any two requests without changing an outcome", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const evict = () => evictDurableObject(env.DOMAIN_OBJECT.getByName(domain));
    expect((await register(domain, guid)).status).toBe(201);
    await evict();
    expect((await register(domain, guid)).status).toBe(200);
    await evict();
    expect((await deregister(domain, guid, { preview: true })).status).toBe(200);
    await evict();
    expect((await deregister(domain, guid)).status).toBe(200);
    await evict();
    expect((await deregister(domain, guid)).status).toBe(403);
    await evict();
    expect((await register(domain, guid)).body).toMatchObject({ newMember: true, keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("gives the same keys after an eviction", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const before = await register(domain, guid);
    await evictDurableObject(env.DOMAIN_OBJECT.getByName(domain));
    const after = await register(domain, guid);
    expect(after.body.credentials[0].privateKey).toEqual(before.body.credentials[0].privateKey);
  });

  it.each(["before", "in", "after"] as const)(
    "may be aborted %s a commit without changing an outcome",
    async (moment) => {
      const domain = newDomain();
      const guids = Array.from({ length: 20 }, newGuid);
      const joined = await abortedAt(moment, () => Promise.all(guids.map((guid) => register(domain, guid))));
      expect(joined.map(({ status }) => status)).toEqual(guids.map(() => 201));
      const left = await abortedAt(moment, () => Promise.all(guids.map((guid) => deregister(domain, guid))));
      expect(left.map(({ status }) => status)).toEqual(guids.map(() => 200));
      expect((await rows(domain)).members).toEqual([]);
      expect(await invariantViolations(domain)).toEqual([]);
    },
  );

  it("may be aborted while many devices come and go: what was answered is done, once", async () => {
    const domain = newDomain();
    const [devices, rounds, aborts] = [12, 5, 6];
    let answered = 0;
    /** Asks again if the object was lost in every try: then the request may be done, and the next response says so. */
    const expectStatus = async (ask: () => Promise<Reply>, done: number, doneBefore: number) => {
      for (let isRepeat = false; ; isRepeat = true) {
        const { status } = await ask();
        if (status === 503) continue;
        expect(isRepeat ? [done, doneBefore] : [done]).toContain(status);
        answered++;
        return;
      }
    };
    const comeAndGo = async (guid: string) => {
      for (let round = 0; round < rounds; round++) {
        await expectStatus(() => register(domain, guid), 201, 200);
        await expectStatus(() => deregister(domain, guid), 200, 403);
      }
    };
    let isOver = false;
    const all = Promise.all(Array.from({ length: devices }, () => comeAndGo(newGuid()))).finally(() => {
      isOver = true;
    });
    for (let abort = 1; abort <= aborts; abort++) {
      // Others are under way at that moment.
      while (!isOver && answered < (abort * 2 * devices * rounds) / (aborts + 1)) await scheduler.wait(1);
      await abortAllDurableObjects();
    }
    await all;
    const { log, members } = await rows(domain);
    const changes = log.flatMap((entry) => JSON.parse(entry.changes as string) as { type: string }[]);
    for (const type of ["device-joined", "device-left"]) {
      expect(changes.filter((change) => change.type === type)).toHaveLength(devices * rounds);
    }
    expect(members).toEqual([]);
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });

  it("copies by its alarm what it committed before it was aborted", async () => {
    const domain = newDomain();
    await abortedAt("after", () => register(domain, newGuid()));
    await abortAllDurableObjects();
    await runAlarm(domain);
    await expectCopied(domain);
  });
});

describe("a call to an object that is overloaded", () => {
  const overloaded = Object.assign(new Error("too many requests queued"), { overloaded: true });
  const lost = new Error("the object was lost");
  const problemOf = (...failures: Error[]) =>
    repeatedCall(() => Promise.reject(failures.shift())).catch((thrown: Problem) => thrown.problem);

  it("is refused as not carried out, unless a lost call before it may have been", async () => {
    expect(await problemOf(overloaded)).toBe("OVERLOADED");
    expect(await problemOf(lost, overloaded)).toBe("TEMPORARILY_UNAVAILABLE");
  });
});

describe("the object of a domain that does not exist", () => {
  it.each([
    ["a look at the domain", (domain: string) => reply("GET", `/domains/${domain}`), 404],
    ["a look at its keys", (domain: string) => reply("GET", `/domains/${domain}/keys`), 404],
    ["a leave", (domain: string) => deregister(domain, newGuid()), 403],
    ["a preview", (domain: string) => deregister(domain, newGuid(), { preview: true }), 403],
    ["a join that is refused", (domain: string) => register(domain, "not a GUID"), 400],
    ["an operator's look", (domain: string) => operate("GET", `/${domain}`), 404],
    ["a change of settings", (domain: string) => operate("PATCH", `/${domain}`, { maxMembership: 1 }), 404],
    ["settings that contradict", (domain: string) => operate("PUT", `/${domain}`, { authNamespace: "studio" }), 400],
    ["an eviction", (domain: string) => operate("DELETE", `/${domain}/members/${newGuid()}`), 404],
    ["a ban", (domain: string) => operate("PUT", `/${domain}/bans/${newGuid()}`, { reason: "stolen" }), 404],
    ["a rollover", (domain: string) => operate("POST", `/${domain}/rollover`, { when: "now" }), 404],
    ["a copy", (domain: string) => operate("POST", `/${domain}/copy`), 404],
  ])("has neither tables nor an alarm after %s", async (_, ask, status) => {
    const domain = newDomain();
    for (let time = 0; time < 2; time++) expect((await ask(domain)).status).toBe(status);
    await expectNothingIn(domain);
  });

  it.each(["DOM_AUTHENTICATION_REQUIRED", "DOMAIN_NOT_FOUND"] as const)(
    "has neither after a join that may not create it: %s",
    async (creationRefusal) => {
      const domain = newDomain();
      expect(gist(await execute(domain, joins(newGuid(), { creationRefusal })))).toBe(creationRefusal);
      await expectNothingIn(domain);
    },
  );
});

/** Expects that the storage of a domain's object is empty: anybody may ask for any name. */
async function expectNothingIn(domain: string): Promise<void> {
  const found = await runInDurableObject(objectOf(domain), async (_, { storage }) => ({
    tables: storage.sql.exec("select name from sqlite_master where name not like '\\_cf\\_%' escape '\\'").toArray(),
    alarm: await storage.getAlarm(),
  }));
  expect(found).toEqual({ tables: [], alarm: null });
}
