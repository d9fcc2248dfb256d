import type { BenchServer } from "./bench-server.ts";
import type { Traffic } from "./load/jobs.ts";
import { populate } from "./population.ts";
import { CONNECTIONS } from "./rounds.ts";
import type { Workshop } from "./workshop.ts";

/** The costs of requests in both stores, in the units that Cloudflare bills. */
const COUNTS = ["calls", "statements", "rowsRead", "rowsWritten", "objectRowsWritten"] as const;

/** The average cost of one request. */
export type RowCosts = Readonly<Record<(typeof COUNTS)[number], number>>;

/** The cost of a request that comes alone, and of one that comes with others. */
type Costs = Readonly<{ alone: RowCosts; inBurst: RowCosts }>;

/** The costs of joins, and of renewals by devices that hold the keys. */
export type RequestCosts = Readonly<{ join: Costs; renewal: Costs }>;

const DOMAIN = "counted";
const MEMBERS = 100;
const ALONE = 20;
const BURSTS = 4;

/** Counts what requests to a domain that exists cost: one after the other, and 64 at once. */
export async function requestCosts(workshop: Workshop, server: BenchServer): Promise<RequestCosts> {
  await server.setDelay(0);
  await populate(server, DOMAIN, MEMBERS);
  /** Each burst begins once D1 has all of the one before. */
  const inBursts = async (traffic: Traffic, bursts: number, size: number) => {
    const total = { calls: 0, statements: 0, rowsRead: 0, rowsWritten: 0, objectRowsWritten: 0 };
    for (let burst = 0; burst < bursts; burst++) {
      const { costs } = await workshop.measure(server, traffic, size, { connections: size });
      for (const name of COUNTS) total[name] += (costs?.[name] ?? 0) / (bursts * size);
    }
    return total;
  };
  const costsOf = async (traffic: Traffic) => ({
    alone: await inBursts(traffic, ALONE, 1),
    inBurst: await inBursts(traffic, BURSTS, CONNECTIONS),
  });
  return {
    join: await costsOf({ kind: "joins", domain: DOMAIN }),
    renewal: await costsOf({ kind: "renewals", domain: DOMAIN, members: MEMBERS, afterKeyVersion: 1 }),
  };
}
