import fc from "fast-check";
import { DeviceDomain } from "../../src/client/index.ts";
import { encryptToDomain } from "../../src/licence/index.ts";
import { seededRandom } from "../support/node/seeded-random.ts";
import { connect } from "./client-connection.ts";
import { uncopied } from "./copies.ts";
import { tryCredentials } from "./credentials.ts";
import { DomainClient, newTokens, type Tokens } from "./domain-client.ts";
import { inexplicable, record } from "./history.ts";
import { broken, contradictions } from "./invariants.ts";
import type { Outcome } from "./outcome.ts";
import { CLIENTS, plans } from "./plans.ts";
import type { ModelServer } from "./server.ts";

/** The load while the server is killed. */
const DOMAINS_AT_ONCE = 3;
const DEVICES_AT_ONCE = 4;
/** A kill comes with one of so many requests, and up to so many milliseconds after it was sent. */
const REQUESTS = DOMAINS_AT_ONCE * 28;
const MILLISECONDS = 10;
/** How often a device tries again: the server is killed once in the life of each. */
const RETRIES = 5;

/**
 * Kills the server again and again under load, and starts it again on what is on the disk. What was acknowledged must be
 * there, what was not must be there in whole or not at all, every credential must be worth as much as before, and
 * devices that use the client library must come to what they are to be. In the end D1 must have it all.
 */
export async function tryKills(server: ModelServer, kills: number, seed: number): Promise<Outcome> {
  const tokens = await newTokens(server);
  const broke: string[] = [];
  const clients: DomainClient[] = [];
  let [tried, asked, lost, opened] = [0, 0, 0, 0];
  for (; tried < kills && broke.length === 0; tried++) {
    const round = await killOnce(server, tokens, `${seed}-${tried}`);
    broke.push(...round.broke);
    clients.push(...round.clients);
    asked += round.asked;
    lost += round.lost;
  }
  // Data that survived one kill must survive the kills after it.
  for (const client of clients) {
    const trial = await tryCredentials(server, client);
    broke.push(...trial.found);
    opened += trial.opened;
  }
  for (const domain of server.objects.domains()) {
    broke.push(...contradictions(server.objects.domain(domain)).map((each) => `${domain}: ${each}`));
  }
  if (broke.length === 0) broke.push(...(await uncopied(server)));
  const figures = `${asked} requests, ${lost} of them without an answer, ${opened} keys of the history opened`;
  return { tried, broke, figures: `${figures}, seed ${seed}` };
}

async function killOnce(server: ModelServer, tokens: Tokens, seed: string) {
  const random = seededRandom(seed);
  const fatal = 1 + random.below(REQUESTS);
  const delay = random.below(MILLISECONDS);
  const over = Promise.withResolvers<void>();
  let asked = 0;
  const ready = async () => {
    if (++asked === fatal) {
      setTimeout(() => {
        server.kill();
        server.restart().then(over.resolve, over.reject);
      }, delay);
    }
    await server.running();
  };
  const clients = Array.from({ length: DOMAINS_AT_ONCE }, (_, index) => {
    return new DomainClient(`killed-${seed}-${index}`, server, tokens);
  });
  const url = `${server.origin}/domains/devices-${seed}`;
  const living = Array.from({ length: DEVICES_AT_ONCE }, (_, index) => live(server, url, index, over.promise));
  const histories = await Promise.all(
    clients.map(async (client) => {
      const connections = connect(server, CLIENTS);
      const [plan] = fc.sample(plans, { numRuns: 1, seed: random.below(2 ** 31) });
      const history = await record(client, plan as NonNullable<typeof plan>, connections, { ready });
      for (const connection of connections) connection.close();
      return history;
    }),
  );
  await over.promise;
  const broke: string[] = [];
  for (const survivor of await Promise.all(living)) broke.push(...(await unfit(survivor, url)));
  for (const history of histories) {
    broke.push(...broken(history, server.objects), ...[inexplicable(history) ?? []].flat());
    broke.push(...(await tryCredentials(server, history.client)).found);
  }
  const lost = histories.flatMap(({ calls }) => calls).filter(({ answer }) => answer === null).length;
  return { broke, clients, asked, lost };
}

/** A device that has come through a kill; what went wrong, if it has not. */
type Survivor = Readonly<{ device: DeviceDomain } | { fault: string }>;

/** The life of a device that joins, renews, leaves and comes back until the kill is over, and ends as a member. */
async function live(server: ModelServer, url: string, index: number, over: Promise<void>): Promise<Survivor> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  over.then(end, end);
  try {
    const device = await DeviceDomain.open(url, { retries: RETRIES, pause: () => server.running() });
    await device.join();
    while (!isOver) {
      await device.renew();
      if (index % 2 === 0) continue;
      await device.leave();
      await device.join();
    }
    return { device };
  } catch (error) {
    return { fault: `a device could not finish its work: ${(error as Error).stack}` };
  }
}

/** Problems of a survivor, now that all is quiet: it must be a member, and open secrets for members. */
async function unfit(survivor: Survivor, url: string): Promise<readonly string[]> {
  if ("fault" in survivor) return [survivor.fault];
  const { newMember } = await survivor.device.renew();
  const opened = new TextDecoder().decode(await survivor.device.decrypt(await encryptToDomain(url, url)));
  return newMember || opened !== url ? [`a device of ${url} is not what it takes itself for`] : [];
}
