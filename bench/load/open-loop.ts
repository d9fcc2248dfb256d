import { Agent, request } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { Answer } from "./closed-loop.ts";
import type { RequestSource } from "./load-requests.ts";

/**
 * Sends so many requests a second, evenly, whether or not earlier ones are answered, and counts each one's time from
 * when it was due. A generator that waited for answers would send less just when the server is slow, and so leave out
 * of its figures the very times they are there to tell ("coordinated omission").
 */
export async function openLoop(
  origin: string,
  source: RequestSource,
  amount: number,
  perSecond: number,
): Promise<readonly Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const start = performance.now();
  const pending: Promise<Answer>[] = [];
  while (pending.length < amount) {
    const due = start + (pending.length * 1000) / perSecond;
    const early = due - performance.now();
    if (early <= 0) pending.push(answer(origin, agent, source, due));
    // May be a millisecond late; to watch the clock instead would take a processor from the server.
    else await setTimeout(early);
  }
  try {
    return await Promise.all(pending);
  } finally {
    agent.destroy();
  }
}

function answer(origin: string, agent: Agent, source: RequestSource, due: number): Promise<Answer> {
  const { path, contentType, body } = source.next();
  const headers = { "content-type": contentType, "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(`${origin}${path}`, { method: "POST", agent, headers }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("error", reject);
      response.on("end", () => {
        const at = performance.now();
        if (response.statusCode === undefined || response.statusCode >= 300) {
          reject(new Error(`a request failed with status ${response.statusCode}`));
        } else resolve({ at, took: at - due, bytes });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
