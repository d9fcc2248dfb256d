import { CONNECTIONS, type Effort, measure, patience, type Round, type Summary, summary } from "./measuring.ts";
import { populate } from "./population.ts";
import type { Workshop } from "./workshop.ts";

/** How fast a domain with so many members is joined and renewed in. */
export type MemberPoint = Readonly<{ members: number; joins: Summary; renewals: Summary }>;

/** Renewals need members to renew, also in the smallest domain. */
const FEWEST = CONNECTIONS;
/** A domain of this size or less is made anew for each round, because a round's joins would make it another size. */
const SMALL = 10_000;
const WARM_UP = 1_500;

/** Measures joins and renewals at several sizes of a domain, each in a database of its own, in rounds. */
export async function memberGrowth(
  workshop: Workshop,
  code: string,
  sizes: readonly number[],
  effort: Effort,
): Promise<readonly MemberPoint[]> {
  const { generator } = workshop;
  const points = [];
  for (const members of sizes) {
    const server = await workshop.start("ours", code);
    await measure(generator, server, { kind: "joins", domain: "warm-up" }, WARM_UP);
    if (members > SMALL) await populate(server, "large", members);
    points.push({ members, server, joins: [] as Round[], renewals: [] as Round[] });
  }
  const outOfPatience = patience(effort, 2 * points.length);
  let [joins, renewals] = [WARM_UP * effort.seconds, WARM_UP * effort.seconds];
  for (let round = 0; round < effort.rounds && !(round > 0 && outOfPatience()); round++) {
    for (const point of points) {
      const { members, server } = point;
      const domain = members > SMALL ? "large" : `small-${round}`;
      if (members > 0 && members <= SMALL) await populate(server, domain, members);
      const joined = await measure(generator, server, { kind: "joins", domain }, joins);
      point.joins.push(joined);
      if (members === 0) await populate(server, `${domain}-renewals`, FEWEST);
      const renewed = await measure(
        generator,
        server,
        {
          kind: "renewals",
          domain: members === 0 ? `${domain}-renewals` : domain,
          members: Math.max(members, FEWEST),
          afterKeyVersion: 1,
        },
        renewals,
      );
      point.renewals.push(renewed);
      [joins, renewals] = [Math.ceil(joined.perSecond * effort.seconds), Math.ceil(renewed.perSecond * effort.seconds)];
    }
  }
  const result = points.map(({ members, joins, renewals }) => ({
    members,
    joins: summary(joins),
    renewals: summary(renewals),
  }));
  await workshop.stop(points.map(({ server }) => server));
  return result;
}
