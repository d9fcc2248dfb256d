import autocannon, { type CannonResult } from "autocannon";
import type { RequestSource } from "./load-requests.ts";

/** One answer: when it came and how long it took (in milliseconds), and its bytes. */
export type Answer = Readonly<{ at: number; took: number; bytes: number }>;

/** Longer than any queue of the measured servers: an answer that takes this long is an error. */
const TIMEOUT_SECONDS = 60;

/** Sends requests with autocannon: on each connection the next as soon as the one before is answered. */
export function closedLoop(
  origin: string,
  source: RequestSource,
  amount: number,
  connections: number,
): Promise<readonly Answer[]> {
  return new Promise((resolve, reject) => {
    const answers: Answer[] = [];
    const { answered } = source;
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
            setupRequest: (request) => {
              const { path, contentType, body } = source.next();
              return { ...request, path, body, headers: { "content-type": contentType } };
            },
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
    cannon.on("response", (_client: unknown, _status: number, bytes: number, took: number) => {
      answers.push({ at: performance.now(), took, bytes });
    });
  });
}

function faultOf({ errors, statusCodeStats }: CannonResult): Error | null {
  const failed = Object.entries(statusCodeStats).filter(([status]) => !status.startsWith("2"));
  if (errors === 0 && failed.length === 0) return null;
  const counts = failed.map(([status, { count }]) => `${count} with status ${status}`);
  return new Error(`requests failed: ${[...counts, `${errors} without an answer`].join(", ")}`);
}
