import { Connection } from "../test/support/node/connection.ts";
import { memberGuid } from "./load/jobs.ts";
import { type Growth, LATE } from "./plans.ts";
import { populate, send } from "./population.ts";
import { CONNECTIONS, type Contestant, coldTime, inRounds, type Summary, timeOf } from "./rounds.ts";
import { median } from "./statistics.ts";
import { WORKLOADS } from "./workloads.ts";
import type { Workshop } from "./workshop.ts";

/** The rates of joins and renewals in a domain with a number of members. */
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

/** Measures joins and renewals at several sizes of a domain, each in a database of its own. */
export async function memberGrowth(workshop: Workshop, { at, ...effort }: Growth): Promise<readonly MemberPoint[]> {
  const servers = [];
  const contestants: Contestant[] = [];
  for (const size of at) {
    const server = await workshop.start("ours", WARM_UP);
    const populated = async (domain: string, members: number) => {
      const name = size > SMALL ? "large" : domain;
      if (members > 0) await populate(server, name, members);
      return name;
    };
    const members = Math.max(size, FEWEST);
    const renewed = await populated("renewed", members);
    servers.push(server);
    contestants.push(
      { server, prepare: async (round) => ({ kind: "joins", domain: await populated(`small-${round}`, size) }) },
      { server, prepare: async () => ({ kind: "renewals", domain: renewed, members, afterKeyVersion: 1 }) },
    );
  }
  const summaries = await inRounds(workshop, contestants, effort);
  await workshop.stop(servers);
  return at.map((members, index) => {
    const [joins, renewals] = summaries.slice(2 * index) as [Summary, Summary];
    return { members, joins, renewals };
  });
}

/** Measures renewals at several numbers of key versions. */
export async function keyGrowth(workshop: Workshop, { at, ...effort }: Growth): Promise<readonly KeyPoint[]> {
  const server = await workshop.start("ours", WARM_UP);
  const connection = new Connection(server.origin);
  const device = { machineGuid: memberGuid(0) };
  for (const keyVersions of at) {
    await populate(server, domainWith(keyVersions), MEMBERS);
    for (let version = 1; version < keyVersions; version++) {
      await send(connection, domainWith(keyVersions), "deregister", device);
      await send(connection, domainWith(keyVersions), "register", { ...device, credentials: "newest" });
    }
  }
  const points = at.flatMap((keyVersions) =>
    [keyVersions, 0].map((afterKeyVersion) => ({ domain: domainWith(keyVersions), afterKeyVersion })),
  );
  const contestants = points.map((point) => ({
    server,
    prepare: async () => ({ kind: "renewals", members: MEMBERS, ...point }) as const,
  }));
  const loads = await inRounds(workshop, contestants, effort);
  const results: RenewalPoint[] = [];
  for (const [index, { domain, afterKeyVersion }] of points.entries()) {
    const ask = () => send(connection, domain, "register", { ...device, afterKeyVersion });
    results.push({
      load: loads[index] as Summary,
      bodyBytes: Buffer.byteLength(await ask()),
      aloneMilliseconds: await medianOf(ALONE, () => timeOf(ask)),
      freshMilliseconds: await medianOf(FRESH, () => coldTime(server, domain, ask)),
    });
  }
  connection.close();
  await workshop.stop([server]);
  return at.map((keyVersions, index) => {
    const [holding, asking] = results.slice(2 * index) as [RenewalPoint, RenewalPoint];
    return { keyVersions, holding, asking };
  });
}

/** Measures joins over many domains, and how soon they are copied, at several numbers of databases. */
export async function databaseGrowth(workshop: Workshop, { at, ...effort }: Growth): Promise<readonly DatabasePoint[]> {
  const { traffic, wakeUp } = WORKLOADS.spread;
  const servers = [];
  for (const databases of at) {
    const server = await workshop.start("ours", 0, { databases });
    await server.setDelay(LATE);
    servers.push(server);
  }
  const contestants = servers.map((server) => ({ server, prepare: async () => traffic("spread"), warmUp: 2 * wakeUp }));
  const loads = await inRounds(workshop, contestants, effort);
  await workshop.stop(servers);
  return loads.map((load, index) => ({ databases: at[index] as number, load }));
}

async function medianOf(times: number, measure: () => Promise<number>): Promise<number> {
  const measured: number[] = [];
  while (measured.length < times) measured.push(await measure());
  return median(measured);
}

function domainWith(keyVersions: number): string {
  return `keys-${keyVersions}`;
}
