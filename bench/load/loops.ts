import { setTimeout } from "node:timers/promises";
import autocannon, { type CannonResult } from "autocannon";
import { Connection } from "../../test/support/node/connection.ts";
import type { RequestSource } from "./load-requests.ts";

/** One answer: when it came and how long it took, in milliseconds. */
type Answer = Readonly<{ at: number; took: number }>;

/** Longer than any queue of the measured servers: an answer that takes this long is an error. */
const TIMEOUT_SECONDS = 60;

/** Sends requests with autocannon: on each connection the next as soon as the one before is answered. */
export function closedLoop(
  origin: string,
  { next, answered }: RequestSource,
  amount: number,
  connections: number,
): Promise<readonly Answer[]> {
  return new Promise((resolve, reject) => {
    const answers: Answer[] = [];
    const cannon = autocannon(
      {
        url: origin,
        connections: Math.min(connections, amount),
        amount,
        timeout: TIMEOUT_SECONDS,
        // It ends at the next sample only.
        sampleInt: 20,
        requests: [
          {
            method: "POST",
            setupRequest: (request) => ({ ...request, ...next() }),
            ...(answered ? { onResponse: (_: number, body: string) => answered(body) } : {}),
          },
        ],
      },
      (error, result) => {
        const fault = error ?? faultOf(result);
        if (fault) reject(fault);
        else resolve(answers);
      },
    );
    cannon.on("response", (_client: unknown, _status: number, _bytes: number, took: number) => {
      answers.push({ at: performance.now(), took });
    });
  });
}

function faultOf({ errors, statusCodeStats }: CannonResult): Error | null {
  const failed = Object.entries(statusCodeStats).filter(([status]) => !status.startsWith("2"));
  if (errors === 0 && failed.length === 0) return null;
  const counts = failed.map(([status, { count }]) => `${count} with status ${status}`);
  return new Error(`requests failed: ${[...counts, `${errors} without an answer`].join(", ")}`);
}

/**
 * Sends so many requests a second, evenly, whether or not earlier ones are answered, and counts each one's time from
 * when it was due. A generator that waited for answers would send less just when the server is slow, and so leave out
 * of its figures the very times they are there to tell ("coordinated omission").
 */
export async function openLoop(
  origin: string,
  { next }: RequestSource,
  amount: number,
  perSecond: number,
): Promise<readonly Answer[]> {
  const free: Connection[] = [];
  const answer = async (due: number): Promise<Answer> => {
    const { path, headers, body } = next();
    const connection = free.pop() ?? new Connection(origin);
    const { status } = await connection.ask("POST", path, headers, body);
    free.push(connection);
    if (status >= 300) throw new Error(`a request failed with status ${status}`);
    const at = performance.now();
    return { at, took: at - due };
  };
  const start = performance.now();
  const pending: Promise<Answer>[] = [];
  while (pending.length < amount) {
    const due = start + (pending.length * 1000) / perSecond;
    const early = due - performance.now();
    if (early <= 0) {
      const sent = answer(due);
      // What fails is told when all are sent.
      sent.catch(() => {});
      pending.push(sent);
    }
    // May be a millisecond late; to watch the clock instead would take a processor from the server.
    else await setTimeout(early);
  }
  const answers = await Promise.all(pending);
  for (const connection of free) connection.close();
  return answers;
}
