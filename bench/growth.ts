import { Connection } from "../test/support/node/connection.ts";
import type { BenchServer } from "./bench-server.ts";
import { memberGuid } from "./load/jobs.ts";
import { populate, send } from "./population.ts";
import {
  CONNECTIONS,
  type Contestant,
  coldTime,
  type Effort,
  inRounds,
  type Summary,
  summary,
  timeOf,
} from "./rounds.ts";
import { median } from "./statistics.ts";
import { WORKLOADS } from "./workloads.ts";
import type { Workshop } from "./workshop.ts";

/** How fast a domain with so many members is joined and renewed in. */
export type MemberPoint = Readonly<{ members: number; joins: Summary; renewals: Summary }>;

/** Renewals of devices that hold the same keys: under load, and one alone with an object that holds nothing yet. */
export type RenewalPoint = Readonly<{
  load: Summary;
  /** One request at a time, in milliseconds. */
  aloneMilliseconds: number;
  /** The first answer of a fresh object, in milliseconds. */
  freshMilliseconds: number;
  /** The body of an answer. */
  bodyBytes: number;
}>;

/** Renewals in a domain with so many key versions, by devices that hold all of them, and by such that hold none. */
export type KeyPoint = Readonly<{ keyVersions: number; holding: RenewalPoint; asking: RenewalPoint }>;

/** Joins over many domains, which are in so many D1 databases that each answer late. */
export type DatabasePoint = Readonly<{ databases: number; load: Summary }>;

const WARM_UP = 1_500;
/** Renewals need members to renew, also in the smallest domain. */
const FEWEST = CONNECTIONS;
/** A domain of this size or less is made anew for each round, because a round's joins would make it another size. */
const SMALL = 10_000;
/** The members of a domain whose keys roll over. */
const MEMBERS = 2_000;
const ALONE = 15;
const FRESH = 5;
/** How late each of several databases answers, in milliseconds. */
const LATE = 25;

/** Measures joins and renewals at several sizes of a domain, each in a database of its own. */
export async function memberGrowth(
  workshop: Workshop,
  sizes: readonly number[],
  effort: Effort,
): Promise<readonly MemberPoint[]> {
  const contestants: (Contestant & { server: BenchServer })[] = [];
  for (const members of sizes) {
    const server = await workshop.start("ours", WARM_UP);
    const prepared = async (domain: string, population: number) => {
      const name = members > SMALL ? "large" : domain;
      if (population > 0) await populate(server, name, population);
      return name;
    };
    await prepared("renewed", Math.max(members, FEWEST));
    contestants.push(
      {
        server,
        prepare: async (round) => ({ kind: "joins", domain: await prepared(`small-${round}`, members) }),
      },
      {
        server,
        prepare: async () => {
          const population = Math.max(members, FEWEST);
          return renewals(await prepared("renewed", population), population, 1);
        },
      },
    );
  }
  const done = (await inRounds(workshop, contestants, effort)).map(summary);
  await workshop.stop(contestants.map(({ server }) => server));
  return sizes.map((members, index) => ({
    members,
    joins: done[2 * index] as Summary,
    renewals: done[2 * index + 1] as Summary,
  }));
}

/** Measures renewals at several numbers of key versions. */
export async function keyGrowth(
  workshop: Workshop,
  versions: readonly number[],
  effort: Effort,
): Promise<readonly KeyPoint[]> {
  const server = await workshop.start("ours", WARM_UP);
  const connection = new Connection(server.origin);
  for (const keyVersions of versions) {
    const domain = domainWith(keyVersions);
    await populate(server, domain, MEMBERS);
    const device = { machineGuid: memberGuid(0), credentials: "newest" };
    for (let version = 1; version < keyVersions; version++) {
      await send(connection, domain, "deregister", { machineGuid: device.machineGuid });
      await send(connection, domain, "register", device);
    }
  }
  const points = versions.flatMap((keyVersions) =>
    [keyVersions, 0].map((afterKeyVersion) => ({ domain: domainWith(keyVersions), afterKeyVersion })),
  );
  const contestants = points.map(({ domain, afterKeyVersion }) => ({
    server,
    prepare: async () => renewals(domain, MEMBERS, afterKeyVersion),
  }));
  const rounds = await inRounds(workshop, contestants, effort);
  const results: RenewalPoint[] = [];
  for (const [index, { domain, afterKeyVersion }] of points.entries()) {
    const ask = () => send(connection, domain, "register", { machineGuid: memberGuid(0), afterKeyVersion });
    results.push({
      load: summary(rounds[index] ?? []),
      bodyBytes: Buffer.byteLength(await ask()),
      aloneMilliseconds: await medianOf(ALONE, () => timeOf(ask)),
      freshMilliseconds: await medianOf(FRESH, () => coldTime(server, domain, ask)),
    });
  }
  connection.close();
  await workshop.stop([server]);
  return versions.map((keyVersions, index) => ({
    keyVersions,
    holding: results[2 * index] as RenewalPoint,
    asking: results[2 * index + 1] as RenewalPoint,
  }));
}

/** Measures joins over many domains, and how soon they are copied, at several numbers of databases. */
export async function databaseGrowth(
  workshop: Workshop,
  numbers: readonly number[],
  effort: Effort,
): Promise<readonly DatabasePoint[]> {
  const { traffic, wakeUp } = WORKLOADS.spread;
  const servers: BenchServer[] = [];
  for (const databases of numbers) {
    const server = await workshop.start("ours", 0, { databases });
    await server.setDelay(LATE);
    servers.push(server);
  }
  const contestants = servers.map((server) => ({ server, prepare: async () => traffic("spread"), warmUp: 2 * wakeUp }));
  const rounds = await inRounds(workshop, contestants, effort);
  await workshop.stop(servers);
  return numbers.map((databases, index) => ({ databases, load: summary(rounds[index] ?? []) }));
}

async function medianOf(times: number, measure: () => Promise<number>): Promise<number> {
  const measured: number[] = [];
  while (measured.length < times) measured.push(await measure());
  return median(measured);
}

function domainWith(keyVersions: number): string {
  return `keys-${keyVersions}`;
}

function renewals(domain: string, members: number, afterKeyVersion: number) {
  return { kind: "renewals", domain, members, afterKeyVersion } as const;
}
