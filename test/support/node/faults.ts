import { setTimeout as delay } from "node:timers/promises";
import type { Exchange, ServerAnswer } from "./fault-proxy.ts";
import type { Random } from "./seeded-random.ts";

/** The faults of a network, for one request. */
export type Fault = (exchange: Exchange) => Promise<void>;

export const pass: Fault = async (exchange) => {
  exchange.answer(await exchange.deliver());
};

/** The server acts, and the answer is lost. */
export const dropAnswer: Fault = async (exchange) => {
  await exchange.deliver();
  exchange.reset();
};

/** The server acts, and half of the answer is lost. */
export const cutAnswer: Fault = async (exchange) => {
  exchange.answerHalf(await exchange.deliver());
};

/** The server never hears of the request. */
export const dropRequest: Fault = async (exchange) => {
  exchange.reset();
};

/** The client loses the connection, and the request arrives after all: once the next one has gone by. */
export const deliverLate: Fault = async (exchange) => {
  exchange.line.holdUp(exchange.request);
  exchange.reset();
};

/** The connection breaks off, and the request arrives once nothing else is on its way. */
export const deliverLast: Fault = async (exchange) => {
  exchange.line.holdBack(exchange.request);
  exchange.reset();
};

/** The answer takes a while. */
const delayAnswer: Fault = async (exchange) => {
  const answer = await exchange.deliver();
  await delay(5);
  exchange.answer(answer);
};

/** The server gets the request twice; the client gets one of the answers. */
export function deliverTwice(given: "first" | "second"): Fault {
  return async (exchange) => {
    const first = await exchange.deliver();
    const second = await exchange.deliver();
    exchange.answer(given === "first" ? first : second);
  };
}

/** Something before the server is busy. */
export function beBusy(seconds: number): Fault {
  return async (exchange) => {
    exchange.answer(busyAnswer(seconds));
  };
}

/** The server gets the request, and then a captured one once more. @param which of those before: 0 the oldest, up to 1 */
function replayEarlier(which: number): Fault {
  return async (exchange) => {
    const earlier = exchange.line.deliveries.map(({ request }) => request);
    const answer = await exchange.deliver();
    const captured = earlier[Math.floor(which * earlier.length)];
    if (captured) await exchange.line.deliver(captured);
    exchange.answer(answer);
  };
}

/** The server acts, and before its answer comes, something strikes the client, whose connection is lost. */
export function strikeBeforeAnswer(strike: () => void): Fault {
  return async (exchange) => {
    await exchange.deliver();
    strike();
    exchange.reset();
  };
}

/** The server acts, and the answer does not come for as long as the client waits. @param whenHeld called from then on */
export function holdAnswer(whenHeld: () => void): Fault {
  return async (exchange) => {
    await exchange.deliver();
    whenHeld();
    await exchange.abandoned();
  };
}

/** Some fault or other; most requests pass. */
export function randomFault(random: Random): Fault {
  return random.pick([
    ...Array<Fault>(9).fill(pass),
    ...[dropAnswer, dropAnswer, cutAnswer, dropRequest, deliverLate, deliverLast, delayAnswer, beBusy(1)],
    ...[deliverTwice("first"), deliverTwice("second"), replayEarlier(random.next()), replayEarlier(random.next())],
  ]);
}

function busyAnswer(seconds: number): ServerAnswer {
  const headers = new Headers({ "content-type": "text/plain", "retry-after": String(seconds) });
  return { status: 503, headers, body: Buffer.from("Too busy.\n") };
}
