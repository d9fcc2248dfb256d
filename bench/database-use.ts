import type { Traffic } from "./load/jobs.ts";
import type { LoadGenerator } from "./load/load-generator.ts";
import { CONNECTIONS } from "./measuring.ts";
import { populate } from "./population.ts";
import type { BenchServer } from "./server.ts";

/** What one request costs at D1, on average: what its user pays for, and what its latency is made of. */
export type DatabaseUse = Readonly<{ calls: number; statements: number; rowsRead: number; rowsWritten: number }>;

/** The cost of a request that comes alone, and of one that comes with others. */
export type Costs = Readonly<{ alone: DatabaseUse; inBurst: DatabaseUse }>;

/** What joins cost, and renewals by devices that hold the keys. */
export type RequestCosts = Readonly<{ join: Costs; renewal: Costs }>;

const DOMAIN = "counted";
const MEMBERS = 100;
const ALONE = 20;
const BURSTS = 4;

/** Counts what requests to a domain that exists cost at D1: one after the other, and 64 at once. */
export async function requestCosts(generator: LoadGenerator, server: BenchServer): Promise<RequestCosts> {
  await server.setDelay(0);
  await populate(server, DOMAIN, MEMBERS);
  const renewals: Traffic = { kind: "renewals", domain: DOMAIN, members: MEMBERS, afterKeyVersion: 1 };
  return {
    join: await costsOf(generator, server, { kind: "joins", domain: DOMAIN }),
    renewal: await costsOf(generator, server, renewals),
  };
}

async function costsOf(generator: LoadGenerator, server: BenchServer, traffic: Traffic): Promise<Costs> {
  const { origin } = server;
  await server.readMeter();
  await generator.run({ origin, traffic, amount: ALONE, pace: { connections: 1 } });
  const alone = await useOf(server, ALONE);
  for (let burst = 0; burst < BURSTS; burst++) {
    await generator.run({ origin, traffic, amount: CONNECTIONS, pace: { connections: CONNECTIONS } });
  }
  return { alone, inBurst: await useOf(server, BURSTS * CONNECTIONS) };
}

async function useOf(server: BenchServer, requests: number): Promise<DatabaseUse> {
  const { calls, statements, rowsRead, rowsWritten } = await server.readMeter();
  return {
    calls: calls / requests,
    statements: statements / requests,
    rowsRead: rowsRead / requests,
    rowsWritten: rowsWritten / requests,
  };
}
