import type { History } from "./history.ts";
import { read } from "./reads.ts";
import type { ModelServer } from "./server.ts";

/** Counts of histories, by the responses that clients got. */
const COUNTED = ["joins", "leaves", "domains_deleted"] as const;

type Counted = (typeof COUNTED)[number];

/** Which request counts as what. */
const COUNTED_AS: Readonly<Record<string, Counted | undefined>> = {
  register: "joins",
  deregister: "leaves",
  delete: "domains_deleted",
};

/** The samples of a server, over all its databases. */
async function counters({ origin, adminToken }: ModelServer): Promise<Record<Counted, number>> {
  const response = await read(`${origin}/admin/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
  const text = await response.text();
  const total = (name: Counted) =>
    [...text.matchAll(new RegExp(`^device_domain_${name}_total\\{.*\\} (.+)$`, "gm"))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return { joins: total("joins"), leaves: total("leaves"), domains_deleted: total("domains_deleted") };
}

/** Counts what happens in histories, and holds the metrics of the server against that. */
export class Tally {
  readonly #server: ModelServer;
  readonly #before: Record<Counted, number>;
  /** The least and the most of each: nobody knows whether a request without an answer was carried out. */
  readonly #least = { joins: 0, leaves: 0, domains_deleted: 0 };
  readonly #unknown = { joins: 0, leaves: 0, domains_deleted: 0 };

  private constructor(server: ModelServer, before: Record<Counted, number>) {
    this.#server = server;
    this.#before = before;
  }

  static async begin(server: ModelServer): Promise<Tally> {
    return new Tally(server, await counters(server));
  }

  /** Counts the requests of a history. One that came again, under its id or its idempotency key, may count once. */
  add({ calls }: History): void {
    const done = new Set<string>();
    for (const { ask, answer, requestId } of calls) {
      const change = ask.ask === "repeat" ? ask.of : ask;
      const counted = COUNTED_AS[change.ask];
      if (counted === undefined) continue;
      const key = change.ask === "deregister" && change.key !== null ? `${change.device} ${change.key}` : requestId;
      const isDone = answer?.newMember || answer?.deregistered || answer?.deleted;
      if (answer === null || (isDone && key !== null && done.has(key))) this.#unknown[counted]++;
      else if (isDone) this.#least[counted]++;
      if (isDone && key !== null) done.add(key);
    }
  }

  /** Metrics that differ from these counts, once D1 has everything. */
  async faults(): Promise<readonly string[]> {
    const after = await counters(this.#server);
    return COUNTED.flatMap((name) => {
      const [seen, least] = [after[name] - this.#before[name], this.#least[name]];
      const most = least + this.#unknown[name];
      return seen >= least && seen <= most ? [] : [`the metrics have ${seen} ${name}, which are ${least} to ${most}`];
    });
  }
}
