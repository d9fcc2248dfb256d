import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configure, invariantViolations, newDomain, newGuid, rows } from "./client.ts";
import { CONNECTION_LOST, faultyDatabase, isCommit } from "./faulty-database.ts";
import { gist, joins, leaves, newQueue, request } from "./writers.ts";

describe("two writers of one domain at once, as when an object is replaced", () => {
  it("lose nothing and break no rule", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 50 });
    const queues = [newQueue(domain), newQueue(domain)];
    const results = await Promise.all(
      Array.from({ length: 120 }, (_, index) => queues[index % 2]?.submit(request(joins(newGuid())))),
    );
    const gists = results.map((result) => (result ? gist(result) : "none"));
    expect(gists.filter((each) => typeof each === "object")).toHaveLength(50);
    expect(gists.filter((each) => each === "DOM_LIMIT_REACHED")).toHaveLength(70);
    const { members, keys } = await rows(domain);
    expect(members).toHaveLength(50);
    expect(keys).toHaveLength(1);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("have the slower one decide again on what the faster one left", async () => {
    const domain = newDomain();
    const [leaver, other] = [newGuid(), newGuid()];
    const faster = newQueue(domain);
    await faster.submit(request(joins(leaver)));

    let interfered = false;
    const slower = newQueue(
      domain,
      faultyDatabase(env.DB, async (sql, run) => {
        if (isCommit(sql) && !interfered) {
          interfered = true;
          // Between the slower one's load and its commit, the device it is about to count leaves.
          await faster.submit(request(leaves(leaver)));
        }
        return run();
      }),
    );
    const result = await slower.submit(request(joins(other)));
    expect(interfered).toBe(true);
    // Decided on the stale state, it would have been given key 1, which the one that left holds.
    expect(gist(result)).toMatchObject({ newMember: true, keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("never both make the same key version", async () => {
    const domain = newDomain();
    const queues = [newQueue(domain), newQueue(domain), newQueue(domain)];
    const results = await Promise.all(queues.map((queue) => queue.submit(request(joins(newGuid())))));
    expect(results.map(gist)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ newMember: true, keyVersion: 1 })),
    );
    const privateKeys = results.map((result) => "credentials" in result && result.credentials[0]?.privateKey.d);
    expect(new Set(privateKeys).size).toBe(1);
  });

  it("read a key that the other one made", async () => {
    const domain = newDomain();
    const [one, two] = [newQueue(domain), newQueue(domain)];
    const guid = newGuid();
    await one.submit(request(joins(newGuid())));
    await two.submit(request(joins(guid)));
    await one.submit(request(leaves(guid)));
    await one.submit(request(joins(newGuid())));
    const result = await two.submit(request(joins(newGuid())));
    expect("credentials" in result && result.credentials.map(({ keyVersion }) => keyVersion)).toEqual([1, 2]);
  });
});

describe("a commit whose answer was lost", () => {
  /** A database that does what is asked, but loses the answer to the first `times` commits. */
  const forgetful = (times: number, happens = true) => {
    let left = times;
    return faultyDatabase(env.DB, async (sql, run) => {
      if (!isCommit(sql) || left === 0) return run();
      left--;
      if (happens) await run();
      throw new Error(CONNECTION_LOST);
    });
  };

  it("is recognised: neither repeated nor reported as failed", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const queue = newQueue(domain, forgetful(1));
    expect(gist(await queue.submit(request(joins(guid))))).toMatchObject({ newMember: true, keyVersion: 1 });
    expect(await invariantViolations(domain)).toEqual([]);
    expect((await rows(domain)).log).toHaveLength(1);

    const leaving = newQueue(domain, forgetful(1));
    expect(gist(await leaving.submit(request(leaves(guid))))).toEqual({ deregistered: true });
    expect((await rows(domain)).log).toHaveLength(2);
  });

  it("is tried again if it did not happen", async () => {
    const domain = newDomain();
    const queue = newQueue(domain, forgetful(2, false));
    expect(gist(await queue.submit(request(joins(newGuid()))))).toMatchObject({ newMember: true, keyVersion: 1 });
    expect((await rows(domain)).log).toHaveLength(1);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("may land late, in the middle of its own repetition, and still happens once", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await newQueue(domain).submit(request(joins(guid)));
    let late: (() => Promise<unknown>) | undefined;
    let tries = 0;
    const queue = newQueue(
      domain,
      faultyDatabase(env.DB, async (sql, run) => {
        if (!isCommit(sql)) return run();
        tries++;
        if (tries === 1) {
          late = run;
          throw new Error(CONNECTION_LOST);
        }
        await late?.();
        return run();
      }),
    );
    expect(gist(await queue.submit(request(leaves(guid))))).toEqual({ deregistered: true });
    expect(tries).toBe(2);
    expect((await rows(domain)).log).toHaveLength(2);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("is reported as unknown, retryably, if D1 stays away; asking again then tells", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await newQueue(domain).submit(request(joins(guid)));
    let away = true;
    const database = faultyDatabase(env.DB, async (sql, run) => {
      const outcome = await run();
      if (away && sql[0]?.includes("domain_log")) throw new Error(CONNECTION_LOST);
      return outcome;
    });
    const queue = newQueue(domain, database);
    const leave = leaves(guid, "a-request");
    await expect(queue.submit(request(leave))).rejects.toThrow(/D1 does not answer/);
    away = false;
    // The change happened; told that it is a repeated one, the request finds it instead of being denied.
    expect(gist(await queue.submit(request(leave, true)))).toEqual({ deregistered: true });
    expect(gist(await queue.submit(request(leaves(guid))))).toBe("DEREG_DENIED");
    expect((await rows(domain)).log).toHaveLength(2);
  });

  it("leaves the queue in working order", async () => {
    const domain = newDomain();
    let broken = true;
    const database = faultyDatabase(env.DB, (_, run) => (broken ? Promise.reject(new Error(CONNECTION_LOST)) : run()));
    const queue = newQueue(domain, database);
    await expect(queue.submit(request(joins(newGuid())))).rejects.toThrow();
    broken = false;
    expect(gist(await queue.submit(request(joins(newGuid()))))).toMatchObject({ newMember: true });
  });
});

describe("a repeated registration", () => {
  it("says that the device is new if it was the earlier try that made it a member", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const join = joins(guid, "another-request");
    await newQueue(domain).submit(request(join));
    const again = await newQueue(domain).submit(request(join, true));
    expect(gist(again)).toMatchObject({ newMember: true, keyVersion: 1 });
    const renewal = await newQueue(domain).submit(request(joins(guid), true));
    expect(gist(renewal)).toMatchObject({ newMember: false });
  });
});

describe("a database restored to an earlier time", () => {
  it("is believed over the keys held in memory", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const queue = newQueue(domain);
    await queue.submit(request(joins(guid)));
    await queue.submit(request(leaves(guid)));
    const backup = await rows(domain);
    await queue.submit(request(joins(guid)));
    // As Time Travel would: the second key was never made.
    await env.DB.batch([
      env.DB.prepare("delete from domain_keys where domain = ? and key_version = 2").bind(domain),
      env.DB.prepare("delete from domain_log where domain = ? and revision = 3").bind(domain),
      env.DB.prepare("delete from domain_membership where domain = ?").bind(domain),
      env.DB.prepare(
        "update domain_server_info set revision = 2, member_count = 0, key_rollover_required = 1 where domain = ?",
      ).bind(domain),
    ]);
    expect((await rows(domain)).log).toEqual(backup.log);
    const result = await queue.submit(request(joins(newGuid())));
    expect(gist(result)).toMatchObject({ keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });
});
