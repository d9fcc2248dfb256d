import type { BenchServer } from "./bench-server.ts";
import type { Traffic } from "./load/jobs.ts";
import type { LoadGenerator } from "./load/load-generator.ts";
import { CONNECTIONS } from "./measuring.ts";
import { populate } from "./population.ts";

/** The average cost of one request in both stores, in the units that Cloudflare bills. */
export type RowCosts = Readonly<{
  calls: number;
  statements: number;
  rowsRead: number;
  rowsWritten: number;
  objectRowsWritten: number;
}>;

/** The cost of a request that comes alone, and of one that comes with others. */
export type Costs = Readonly<{ alone: RowCosts; inBurst: RowCosts }>;

/** The costs of joins, and of renewals by devices that hold the keys. */
export type RequestCosts = Readonly<{ join: Costs; renewal: Costs }>;

const DOMAIN = "counted";
const MEMBERS = 100;
const ALONE = 20;
const BURSTS = 4;

/** Counts what requests to a domain that exists cost: one after the other, and 64 at once. */
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
  return {
    alone: await costsIn(generator, server, traffic, ALONE, 1),
    inBurst: await costsIn(generator, server, traffic, BURSTS, CONNECTIONS),
  };
}

/** The cost of a request over several bursts. Each burst begins once D1 has all of the one before. */
async function costsIn(
  generator: LoadGenerator,
  server: BenchServer,
  traffic: Traffic,
  bursts: number,
  size: number,
): Promise<RowCosts> {
  await server.readMeter();
  const total = { calls: 0, statements: 0, rowsRead: 0, rowsWritten: 0, objectRowsWritten: 0 };
  for (let burst = 0; burst < bursts; burst++) {
    await generator.run({ origin: server.origin, traffic, amount: size, pace: { connections: size } });
    const reading = await server.readMeter();
    for (const name of COUNTS) total[name] += reading[name] / (bursts * size);
  }
  return total;
}

const COUNTS = ["calls", "statements", "rowsRead", "rowsWritten", "objectRowsWritten"] as const;
