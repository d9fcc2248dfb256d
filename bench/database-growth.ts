import { CONNECTIONS, type Effort, patience } from "./measuring.ts";
import { median } from "./statistics.ts";
import { WORKLOADS } from "./workloads.ts";
import type { Workshop } from "./workshop.ts";

/** Joins over many domains, which are in so many D1 databases that each answer late. */
export type DatabasePoint = Readonly<{
  databases: number;
  perSecond: number;
  d1CallsPerJoin: number;
  /** How long after the last answer all databases had everything, in milliseconds. */
  catchUpMilliseconds: number;
}>;

/** How late each database answers, in milliseconds. */
const LATE = 25;

/** Measures joins over many domains, and how soon they are copied, at several numbers of databases. */
export async function databaseGrowth(
  workshop: Workshop,
  code: string,
  numbers: readonly number[],
  effort: Effort,
): Promise<readonly DatabasePoint[]> {
  const { generator } = workshop;
  const { traffic, wakeUp } = WORKLOADS.spread;
  const points = [];
  for (const databases of numbers) {
    const server = await workshop.start("ours", code, { databases });
    await server.setDelay(LATE);
    const run = async (amount: number) => {
      const pace = { connections: CONNECTIONS };
      const { perSecond } = await generator.run({ origin: server.origin, traffic: traffic("spread"), amount, pace });
      const answered = performance.now();
      const { calls } = await server.readMeter();
      return { perSecond, d1CallsPerJoin: calls / amount, catchUpMilliseconds: performance.now() - answered };
    };
    const { perSecond } = await run(2 * wakeUp);
    points.push({ databases, server, run, expected: perSecond, rounds: [] as Awaited<ReturnType<typeof run>>[] });
  }
  const outOfPatience = patience(effort, points.length);
  for (let round = 0; round < effort.rounds && !(round > 0 && outOfPatience()); round++) {
    for (const point of points) {
      const measured = await point.run(Math.ceil(point.expected * effort.seconds));
      point.rounds.push(measured);
      point.expected = measured.perSecond;
    }
  }
  await workshop.stop(points.map(({ server }) => server));
  return points.map(({ databases, rounds }) => ({
    databases,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    d1CallsPerJoin: median(rounds.map(({ d1CallsPerJoin }) => d1CallsPerJoin)),
    catchUpMilliseconds: median(rounds.map(({ catchUpMilliseconds }) => catchUpMilliseconds)),
  }));
}
