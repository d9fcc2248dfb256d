import { setTimeout as delay } from "node:timers/promises";
import { peakMemoryBytes, resetPeakMemory } from "../../scripts/processes.ts";
import { Connection, type RawAnswer } from "../support/node/connection.ts";
import { uncopied } from "./copies.ts";
import { contradictions } from "./invariants.ts";
import type { Outcome } from "./outcome.ts";
import type { ModelServer } from "./server.ts";

const DOMAIN = "hot";
/** How many clients it takes to learn what the server serves at the most, and for how long they ask. */
const USUAL_CLIENTS = 256;
const USUAL_MILLISECONDS = 10_000;
const TIMES_TOO_MUCH = 5;
const TICK_MILLISECONDS = 10;
const RECOVERY_MILLISECONDS = 5_000;
/** The part of an overload that it must serve, relative to the load before. */
const LEAST_SHARE = 0.8;
/** How long an answer may take, but for one in a hundred: to a refusal, and to what is taken on. */
const REFUSAL_MILLISECONDS = 1_000;
const BEARABLE_MILLISECONDS = 5_000;
/** How many times the memory of the first tenth of the time the rest may take. */
const MEMORY_GROWTH = 1.25;

/** Twice as many as an object takes on. */
const CROWD = 8_000;

/** The requirements on a run. */
type Limits = Readonly<{
  /** The most requests that wait for an answer, each on a connection of its own. */
  connections: number;
  /** Whether the excess gets as far as the queue, which has to refuse it then, and what it takes on waits for it alone. */
  queued: boolean;
  /** Whether the clock and memory are looked at, on which a machine that does other things as well may fail. */
  timed: boolean;
}>;

/**
 * Has devices join one domain at five times the rate that the server serves: what it takes on it must complete, at
 * nearly the rate of before and in bearable time; what it does not it must refuse at once; its memory must not grow, and
 * it must be as before soon after.
 *
 * @param server one whose disk is what limits it, so that the excess comes as far as the queue; one process that is
 *   front and object at once may be limited by its front instead, and then leaves the excess at its sockets
 */
export async function tryOverload(server: ModelServer, seconds: number, limits: Limits): Promise<Outcome> {
  const { connections, queued, timed } = limits;
  const usual = await askInTurn(server, timed ? USUAL_MILLISECONDS : 1_000);
  const crowd = await Crowd.connect(server, connections);
  const perMillisecond = (usual.perSecond * TIMES_TOO_MUCH) / 1_000;
  const begin = performance.now();
  await crowd.arrive(perMillisecond, (seconds * 1_000) / 10);
  const memoryAtFirst = peakMemoryBytes(server.pid);
  resetPeakMemory(server.pid);
  // The first of a crowd come before there is a sign that they are too many.
  crowd.grants.forget();
  crowd.refusals.forget();
  await crowd.arrive(perMillisecond, (seconds * 1_000 * 9) / 10);
  const ended = performance.now();
  const perSecond = (crowd.accepted * 1_000) / (ended - begin);
  await crowd.settled();
  const again = await askInTurn(server, 0);
  const recovered = performance.now() - ended;
  const memory = peakMemoryBytes(server.pid);
  // The domain is larger than before: what it serves at this size tells growth from overload.
  const afterwards = timed ? await askInTurn(server, USUAL_MILLISECONDS) : { joined: 0, perSecond: 0 };

  const { accepted, refused, others, unsent } = crowd;
  const share = perSecond / usual.perSecond;
  const [grant, refusal] = [crowd.grants.most(), crowd.refusals.most()];
  const broke = [...others];
  const { members, ...rows } = server.objects.domain(DOMAIN);
  broke.push(...contradictions({ members, ...rows }), ...(await uncopied(server)));
  const joined = accepted + usual.joined + again.joined + afterwards.joined;
  if (members.length !== joined)
    broke.push(`${joined} joins were acknowledged, and there are ${members.length} members`);
  if (timed) {
    if (share < LEAST_SHARE) broke.push(`${perSecond.toFixed()} a second served, of ${usual.perSecond.toFixed()}`);
    if (queued && refused === 0) broke.push("nothing was refused: that was not too much");
    if (queued && grant > BEARABLE_MILLISECONDS) broke.push(`what is taken on took ${grant} ms`);
    if (refusal > REFUSAL_MILLISECONDS) broke.push(`a refusal took ${refusal} ms`);
    if (recovered > RECOVERY_MILLISECONDS) broke.push(`it took ${recovered.toFixed()} ms to be as before`);
    if (memory > memoryAtFirst * MEMORY_GROWTH) broke.push(`${memoryAtFirst} bytes of memory became ${memory}`);
  }
  const figures = [
    `${usual.perSecond.toFixed()} a second served before, ${perSecond.toFixed()} under the load`,
    ...(timed ? [`${afterwards.perSecond.toFixed()} after it, with ${members.length} members`] : []),
    `${accepted} accepted, ${refused} refused`,
    `after the first tenth of the time, 99 of 100 within ${(grant / 1_000).toFixed(1)} s and ${(refusal / 1_000).toFixed(1)} s`,
    ...(unsent > 0 ? [`${unsent} not sent because ${connections} waited`] : []),
    `as before after ${(recovered / 1_000).toFixed(1)} s`,
    `${megabytes(memoryAtFirst)} MB of memory in the first tenth, ${megabytes(memory)} after it`,
  ];
  return { tried: accepted + refused + others.length, broke: broke.slice(0, 20), figures: figures.join("; ") };
}

/**
 * Has a crowd of devices join one domain at once while the disk takes its time: what the queue has no room for must
 * be refused at once with 503 and Retry-After, and all the rest must complete.
 *
 * @param server one whose commits are late
 */
export async function tryCrowd(server: ModelServer): Promise<Outcome> {
  const crowd = await Crowd.connect(server, CROWD);
  for (let count = CROWD; count > 0; count--) crowd.join();
  await crowd.settled();
  const { accepted, refused, others } = crowd;
  const broke = [...others];
  const { members, ...rows } = server.objects.domain(DOMAIN);
  broke.push(...contradictions({ members, ...rows }), ...(await uncopied(server)));
  if (members.length !== accepted) broke.push(`${accepted} acknowledged, and ${members.length} members`);
  if (refused === 0) broke.push("nothing was refused: that was no crowd");
  const figures = `${accepted} accepted, ${refused} refused with 503 and Retry-After`;
  return { tried: CROWD, broke: broke.slice(0, 20), figures };
}

/** Some clients that each ask again once they are answered, at least once. */
async function askInTurn(server: ModelServer, milliseconds: number): Promise<{ joined: number; perSecond: number }> {
  const begin = performance.now();
  let joined = 0;
  await Promise.all(
    Array.from({ length: USUAL_CLIENTS }, async () => {
      const connection = new Connection(server.origin);
      do if ((await join(connection)).status === 201) joined++;
      while (performance.now() - begin < milliseconds);
      connection.close();
    }),
  );
  return { joined, perSecond: (joined * 1_000) / (performance.now() - begin) };
}

function join(connection: Connection): Promise<RawAnswer> {
  const body = JSON.stringify({ machineGuid: crypto.randomUUID() });
  return connection.ask("POST", `/domains/${DOMAIN}/register`, { "content-type": "application/json" }, body);
}

/** Devices that do not wait for each other. */
class Crowd {
  readonly grants = new Durations();
  readonly refusals = new Durations();
  /** How many had no connection left to ask over. */
  unsent = 0;
  /** The answers that were neither. */
  readonly others: string[] = [];
  readonly #idle: Connection[];
  readonly #asking = new Set<Promise<void>>();

  private constructor(connections: Connection[]) {
    this.#idle = connections;
  }

  /** A crowd whose connections stand already: workerd takes new ones in slowly while it is busy with those it has. */
  static async connect({ origin }: ModelServer, count: number): Promise<Crowd> {
    const connections = Array.from({ length: count }, () => new Connection(origin));
    for (const connection of connections) await connection.open();
    return new Crowd(connections);
  }

  get accepted(): number {
    return this.grants.count;
  }

  get refused(): number {
    return this.refusals.count;
  }

  /** Has devices ask at this rate for a while. */
  async arrive(perMillisecond: number, milliseconds: number): Promise<void> {
    const begin = performance.now();
    let arrived = 0;
    for (let tick = 0; tick < milliseconds; tick += TICK_MILLISECONDS) {
      await delay(Math.max(0, begin + tick - performance.now()));
      for (; arrived < tick * perMillisecond; arrived++) this.join();
    }
  }

  /** One more device asks. */
  join(): void {
    const connection = this.#idle.pop();
    if (!connection) {
      this.unsent++;
      return;
    }
    const asking = this.#join(connection).finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
  }

  /** Waits until all are answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#asking);
    for (const connection of this.#idle) connection.close();
  }

  async #join(connection: Connection): Promise<void> {
    const begin = performance.now();
    try {
      const { status, headers, body } = await join(connection);
      const milliseconds = performance.now() - begin;
      if (status === 201) this.grants.add(milliseconds);
      else if (status === 503 && Number(headers["retry-after"]) > 0) this.refusals.add(milliseconds);
      else this.others.push(`${status} ${JSON.stringify(headers)} ${body.slice(0, 500)}`);
    } catch (error) {
      this.others.push(String(error));
    }
    this.#idle.push(connection);
  }
}

/** How long many things took. */
class Durations {
  count = 0;
  /** How many took how many milliseconds. */
  readonly #counts = new Map<number, number>();

  add(milliseconds: number): void {
    const whole = Math.ceil(milliseconds);
    this.#counts.set(whole, (this.#counts.get(whole) ?? 0) + 1);
    this.count++;
  }

  /** Forgets how long they took, but not how many they were. */
  forget(): void {
    this.#counts.clear();
  }

  /** The 99th percentile, in milliseconds. */
  most(): number {
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    let longer = 0;
    for (const [milliseconds, count] of [...this.#counts].sort(([a], [b]) => b - a)) {
      longer += count;
      if (longer > total / 100) return milliseconds;
    }
    return 0;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed();
}
