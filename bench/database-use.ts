import type { LoadGenerator } from "./load/load-generator.ts";
import { CONNECTIONS, measure } from "./measuring.ts";
import type { BenchServer } from "./server.ts";

/** What one join costs at D1, on average: what its user pays for, and what its latency is made of. */
export type DatabaseUse = Readonly<{
  calls: number;
  statements: number;
  rowsRead: number;
  rowsWritten: number;
}>;

/** The cost of a join that comes alone, and of one that comes with others. */
export type JoinCosts = Readonly<{ alone: DatabaseUse; inBurst: DatabaseUse }>;

const LONE_JOINS = 20;
const BURSTS = 4;

/** Counts what joins into a domain that exists cost at D1: one after the other, and 64 at once. */
export async function joinCosts(generator: LoadGenerator, server: BenchServer): Promise<JoinCosts> {
  const joins = { kind: "joins", domain: "counted" } as const;
  await server.setDelay(0);
  await measure(generator, server, joins, 1);
  await server.readMeter();
  const join = { origin: server.origin, traffic: joins };
  await generator.run({ ...join, amount: LONE_JOINS, pace: { connections: 1 } });
  const alone = await useOf(server, LONE_JOINS);
  for (let burst = 0; burst < BURSTS; burst++) {
    await generator.run({ ...join, amount: CONNECTIONS, pace: { connections: CONNECTIONS } });
  }
  return { alone, inBurst: await useOf(server, BURSTS * CONNECTIONS) };
}

async function useOf(server: BenchServer, joins: number): Promise<DatabaseUse> {
  const { calls, statements, rowsRead, rowsWritten } = await server.readMeter();
  return {
    calls: calls / joins,
    statements: statements / joins,
    rowsRead: rowsRead / joins,
    rowsWritten: rowsWritten / joins,
  };
}
