import { setTimeout as delay } from "node:timers/promises";
import { peakMemoryBytes } from "../../bench/processes.ts";
import { Connection, type RawAnswer } from "./connection.ts";
import { contradictions } from "./invariants.ts";
import type { Outcome } from "./outcome.ts";
import type { ModelServer } from "./server.ts";

const DOMAIN = "hot";
/** How many clients it takes to learn what the server serves, and for how long they ask. */
const USUAL_CLIENTS = 64;
const USUAL_MILLISECONDS = 2_000;
const TIMES_TOO_MUCH = 5;
/** The most requests that wait for an answer; a crowd of devices is larger, but so is its number of machines. */
const MOST_AT_ONCE = 8_000;
const TICK_MILLISECONDS = 10;
/** What the server may hold at the most, whatever is asked of it. */
const MOST_MEMORY_BYTES = 1_536 * 1024 * 1024;
const RECOVERY_MILLISECONDS = 5_000;

/**
 * Has devices join one domain at five times the rate that the server serves: what it takes on it must complete, what it
 * does not it must refuse for now, in bounded memory, and it must be as quick as before soon after. Here one process is
 * front and object at once, so that most of the excess never gets past the sockets; see `tryCrowd` for what would.
 *
 * @param timed whether to hold it to the clock and to memory, which a machine that does other things as well may fail
 */
export async function tryOverload(server: ModelServer, seconds: number, timed: boolean): Promise<Outcome> {
  const usual = await askInTurn(server, USUAL_MILLISECONDS);
  const crowd = new Crowd(server);
  const perTick = Math.ceil((usual.perSecond * TIMES_TOO_MUCH * TICK_MILLISECONDS) / 1_000);
  const end = performance.now() + seconds * 1_000;
  for (let due = performance.now(); due < end; due += TICK_MILLISECONDS) {
    await delay(Math.max(0, due - performance.now()));
    for (let count = perTick; count > 0; count--) crowd.join();
  }
  const ended = performance.now();
  await crowd.settled();
  const again = await askInTurn(server, 0);
  const recovered = performance.now() - ended;
  const memory = peakMemoryBytes(server.pid);

  const { accepted, refused, others, unsent } = crowd;
  const broke = [...others];
  const { members, ...rows } = server.database.domain(DOMAIN);
  broke.push(...contradictions({ members, ...rows }));
  const joined = accepted + usual.joined + again.joined;
  if (members.length !== joined)
    broke.push(`${joined} joins were acknowledged, and there are ${members.length} members`);
  if (timed && recovered > RECOVERY_MILLISECONDS) broke.push(`it took ${recovered.toFixed()} ms to be as before`);
  if (timed && memory > MOST_MEMORY_BYTES) broke.push(`${memory} bytes of memory`);
  const figures = [
    `${usual.perSecond.toFixed()} a second served before`,
    `${accepted} accepted, ${refused} refused, ${unsent} not sent because ${MOST_AT_ONCE} waited`,
    `as before after ${(recovered / 1_000).toFixed(1)} s`,
    `${(memory / 1024 / 1024).toFixed()} MB of memory at the most`,
  ];
  return { tried: accepted + refused + others.length, broke: broke.slice(0, 20), figures: figures.join("; ") };
}

/**
 * Has a crowd of devices join one domain at once while the database takes its time: what the queue has no room for must
 * be refused at once with 503 and Retry-After, and all the rest must complete.
 *
 * @param server one whose commits are late
 */
export async function tryCrowd(server: ModelServer): Promise<Outcome> {
  const crowd = new Crowd(server);
  for (let count = MOST_AT_ONCE; count > 0; count--) crowd.join();
  await crowd.settled();
  const { accepted, refused, others } = crowd;
  const broke = [...others];
  const { members, ...rows } = server.database.domain(DOMAIN);
  broke.push(...contradictions({ members, ...rows }));
  if (members.length !== accepted) broke.push(`${accepted} acknowledged, and ${members.length} members`);
  if (refused === 0) broke.push("nothing was refused: that was no crowd");
  const figures = `${accepted} accepted, ${refused} refused with 503 and Retry-After`;
  return { tried: MOST_AT_ONCE, broke: broke.slice(0, 20), figures };
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
  accepted = 0;
  refused = 0;
  /** How many had no connection left to ask over. */
  unsent = 0;
  /** The answers that were neither. */
  readonly others: string[] = [];
  readonly #origin: string;
  readonly #idle: Connection[] = [];
  readonly #asking = new Set<Promise<void>>();
  #connections = 0;

  constructor({ origin }: ModelServer) {
    this.#origin = origin;
  }

  /** One more device asks. */
  join(): void {
    const connection = this.#idle.pop() ?? (this.#connections < MOST_AT_ONCE ? this.#open() : null);
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

  #open(): Connection {
    this.#connections++;
    return new Connection(this.#origin);
  }

  async #join(connection: Connection): Promise<void> {
    try {
      const { status, headers, body } = await join(connection);
      if (status === 201) this.accepted++;
      else if (status === 503 && Number(headers["retry-after"]) > 0) this.refused++;
      else this.others.push(`${status} ${JSON.stringify(headers)} ${body.slice(0, 500)}`);
    } catch (error) {
      this.others.push(String(error));
    }
    this.#idle.push(connection);
  }
}
