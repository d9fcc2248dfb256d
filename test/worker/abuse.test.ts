import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { newDomain, newGuid, reply, rows } from "../support/worker/client.ts";
import { askWith, from, limitOf, registerWith } from "../support/worker/environments.ts";
import { faultyDatabase } from "../support/worker/faulty-database.ts";
import { objectOf, setEnvironment } from "../support/worker/objects.ts";

describe("limits of requests", () => {
  it("are counted by address, and say when to come again", async () => {
    const [ADDRESS_LIMIT, domain] = [limitOf(2), newDomain()];
    for (const status of [201, 201, 429]) {
      expect((await registerWith({ ADDRESS_LIMIT }, domain, from("192.0.2.1"))).status).toBe(status);
    }
    expect((await registerWith({ ADDRESS_LIMIT }, domain, from("192.0.2.2"))).status).toBe(201);
    const refused = await registerWith({ ADDRESS_LIMIT }, domain, from("192.0.2.1"));
    expect(refused.body).toMatchObject({ status: 429, error: "RATE_LIMITED" });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await rows(domain)).members).toHaveLength(3);
  });

  it("are counted by domain: reads by themselves", async () => {
    const [DOMAIN_LIMIT, one, other] = [limitOf(1), newDomain(), newDomain()];
    for (const domain of [one, other]) await reply("POST", `/domains/${domain}/register`, { machineGuid: newGuid() });
    expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${one}/keys`)).status).toBe(200);
    for (const path of ["", "/keys", "/keys/1/history"]) {
      expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${one}${path}`)).status).toBe(429);
    }
    expect((await askWith({ DOMAIN_LIMIT }, "POST", `/domains/${one}/rollover`)).status).toBe(429);
    expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${other}/keys`)).status).toBe(200);
  });

  it("are counted by domain: joins by themselves, which keep no member from renewing or leaving", async () => {
    const [DOMAIN_LIMIT, domain, member] = [limitOf(2), newDomain(), newGuid()];
    await setEnvironment(domain, { DOMAIN_LIMIT });
    const ask = (action: string, machineGuid: string) =>
      askWith({}, "POST", `/domains/${domain}/${action}`, { machineGuid });
    expect((await ask("register", member)).status).toBe(201);
    // The limit is told of joins as they happen, and is heard from the next one on.
    for (let count = 0; count < 2; count++) expect((await ask("register", newGuid())).status).toBe(201);
    const refused = await ask("register", newGuid());
    expect(refused).toMatchObject({ status: 429, body: { error: "RATE_LIMITED" } });
    for (let count = 0; count < 5; count++) expect((await ask("register", member)).status).toBe(200);
    expect((await askWith({ DOMAIN_LIMIT }, "GET", `/domains/${domain}/keys`)).status).toBe(200);
    expect((await ask("deregister", member)).status).toBe(200);
    expect((await rows(domain)).members).toHaveLength(2);
  });

  it("of an address cost the domain nothing once they are spent", async () => {
    const [ADDRESS_LIMIT, DOMAIN_LIMIT, domain] = [limitOf(10), limitOf(30), newDomain()];
    await reply("POST", `/domains/${domain}/register`, { machineGuid: newGuid() });
    const read = (address: string) =>
      askWith({ ADDRESS_LIMIT, DOMAIN_LIMIT }, "GET", `/domains/${domain}/keys`, undefined, from(address));
    const statuses = [];
    for (let count = 0; count < 300; count++) statuses.push((await read("192.0.2.1")).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect((await read("192.0.2.2")).status).toBe(200);
    expect([...DOMAIN_LIMIT.counts.values()]).toEqual([11]);
  });

  it("count leaves of unknown names, which cost D1 nothing over the limit, and never a row or a timer", async () => {
    const [ADDRESS_LIMIT, domain, member] = [limitOf(3), newDomain(), newGuid()];
    await reply("POST", `/domains/${domain}/register`, { machineGuid: member });
    let queries = 0;
    const DB = faultyDatabase(env.DB, (_, run) => {
      queries++;
      return run();
    });
    const leave = (name: string, machineGuid: string) =>
      askWith({ ADDRESS_LIMIT }, "POST", `/domains/${name}/deregister`, { machineGuid }, from("192.0.2.1"));
    const names = Array.from({ length: 40 }, newDomain);
    const statuses = [];
    for (const name of names) {
      await setEnvironment(name, { DB });
      statuses.push((await leave(name, newGuid())).status);
    }
    expect(statuses).toEqual([...Array(3).fill(403), ...Array(37).fill(429)]);
    expect(queries).toBe(3);
    expect((await leave(domain, newGuid())).status).toBe(429);
    expect((await leave(domain, member)).status).toBe(200);
    for (const name of names) {
      expect(await rows(name)).toEqual({ info: undefined, members: [], keys: [], log: [] });
      expect(await runInDurableObject(objectOf(name), (_, { storage }) => storage.getAlarm())).toBeNull();
    }
  });

  it("count malformed leaves", async () => {
    const ADDRESS_LIMIT = limitOf(2);
    for (const status of [400, 400, 429]) {
      const answer = await askWith({ ADDRESS_LIMIT }, "POST", "/domains/any/deregister", {}, from("192.0.2.1"));
      expect(answer.status).toBe(status);
    }
  });

  it("are counted for an IPv6 /48 as a whole, too", async () => {
    const [ADDRESS_LIMIT, NETWORK_LIMIT, domain] = [limitOf(3), limitOf(8), newDomain()];
    const statuses = [];
    for (let subnet = 0; subnet < 12; subnet++) {
      const address = from(`2001:db8:7:${subnet.toString(16)}::1`);
      statuses.push((await registerWith({ ADDRESS_LIMIT, NETWORK_LIMIT }, domain, address)).status);
    }
    expect(statuses).toEqual([...Array(8).fill(201), ...Array(4).fill(429)]);
    expect((await registerWith({ ADDRESS_LIMIT, NETWORK_LIMIT }, domain, from("2001:db8:8::1"))).status).toBe(201);
    expect((await registerWith({ ADDRESS_LIMIT, NETWORK_LIMIT }, domain, from("192.0.2.1"))).status).toBe(201);
    expect([...NETWORK_LIMIT.counts.keys()]).toEqual(["2001:0db8:0007::/48", "2001:0db8:0008::/48"]);
  });

  it("never keep a member from leaving", async () => {
    const none = limitOf(0);
    const [domain, machineGuid] = [newDomain(), newGuid()];
    await reply("POST", `/domains/${domain}/register`, { machineGuid });
    const vars = { ADDRESS_LIMIT: none, DOMAIN_LIMIT: none, CREATION_LIMIT: none, DOMAIN_CREATION: "operators" };
    const left = await askWith(vars, "POST", `/domains/${domain}/deregister`, { machineGuid }, from("192.0.2.1"));
    expect(left).toMatchObject({ status: 200, body: { deregistered: true } });
  });

  it.each([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::1", true],
    ["2001:db8::1", "2001:db8:0:0:9::", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["192.0.2.1", "192.0.2.11", false],
  ])("take %s and %s for one client: %s", async (one, other, same) => {
    const [ADDRESS_LIMIT, domain] = [limitOf(9), newDomain()];
    for (const address of [one, other]) await registerWith({ ADDRESS_LIMIT }, domain, from(address));
    expect(ADDRESS_LIMIT.counts.size).toBe(same ? 1 : 2);
  });

  it.each([{}, from("127.0.0.1"), from("::1")])("leave this machine alone: %j", async (headers) => {
    expect((await registerWith({ ADDRESS_LIMIT: limitOf(0) }, newDomain(), headers)).status).toBe(201);
  });

  it("let all through while they cannot be asked", async () => {
    const broken = { limit: () => Promise.reject(new Error("away")) };
    expect((await registerWith({ ADDRESS_LIMIT: broken }, newDomain(), from("192.0.2.1"))).status).toBe(201);
  });
});
