import type { ClientConnection } from "./client-connection.ts";
import type { DomainClient } from "./domain-client.ts";
import { checkLinearizability, type Operation } from "./linearizability.ts";
import type { Plan } from "./plans.ts";
import { REFERENCE_STATES, stepsOf } from "./reference-domain.ts";
import type { ReferenceDomain } from "./reference-state.ts";
import type { Answer, Ask } from "./requests.ts";

/** One request of a history. Calls and answers of all clients are numbered in the order in which they happened. */
export type Call = Readonly<{
  ask: Ask;
  calledAt: number;
  /** Null if nobody knows whether the request was carried out. */
  answeredAt: number | null;
  answer: Answer | null;
  requestId: string | null;
}>;

/** The last requests: acknowledged changes must be there, and retired keys must not be handed out. */
const LOOKS: readonly Ask[] = [
  { ask: "overview" },
  { ask: "members" },
  { ask: "history", keyVersion: 2, before: null },
  { ask: "history", keyVersion: 4, before: null },
];

/** The requests of one domain's clients, and their responses. */
export type History = Readonly<{
  client: DomainClient;
  calls: readonly Call[];
  /** Whether its object may have been lost meanwhile. */
  hasLosses: boolean;
}>;

/** Work besides the planned requests. */
type Recording = Readonly<{
  /** Requests before all else, one after the other. */
  first?: readonly Ask[];
  /** Called after that, and waited for. */
  begun?: () => Promise<void>;
  /** Called before each request, and waited for. */
  ready?: () => Promise<void>;
}>;

/** Has each client of a plan ask its things, one after the other, and all clients at once; then one of them has a look. */
export async function record(
  client: DomainClient,
  plan: Plan,
  connections: readonly ClientConnection[],
  { first = [], begun, ready }: Recording = {},
): Promise<History> {
  let moment = 0;
  const calls: Call[] = [];
  const asking = async (connection: ClientConnection, ask: Ask) => {
    await ready?.();
    const calledAt = moment++;
    for (const { requestId, answer } of await client.ask(connection, ask)) {
      calls.push({ ask, calledAt, answeredAt: answer && moment++, answer, requestId });
    }
  };
  for (const ask of first) await asking(connections[0] as ClientConnection, ask);
  await begun?.();
  await Promise.all(
    plan.map(async (asks, index) => {
      for (const ask of asks) await asking(connections[index] as ClientConnection, ask);
    }),
  );
  for (const ask of LOOKS) await asking(connections[0] as ClientConnection, ask);
  return { client, calls, hasLosses: plan.flat().some(({ ask }) => ask === "lose") };
}

/** Why no order of its requests explains a history; null if there is one. */
export function inexplicable({ client, calls, hasLosses }: History): string | null {
  const operations = calls.map(
    ({ ask, answer, calledAt, answeredAt }): Operation<ReferenceDomain> => ({
      steps: stepsOf(ask, answer, hasLosses),
      calledAt,
      answeredAt,
    }),
  );
  const { linearizable, longest } = checkLinearizability(REFERENCE_STATES, operations);
  if (linearizable) return null;
  const told = (index: number) => {
    const { ask, answer, calledAt, answeredAt } = calls[index] as Call;
    return `  ${calledAt}–${answeredAt ?? "?"} ${JSON.stringify(ask)} -> ${JSON.stringify(answer)}`;
  };
  const rest = calls.map((_, index) => index).filter((index) => !longest.includes(index));
  return [
    `no order explains what ${client.domain} answered; the most that one explains, in that order:`,
    ...longest.map(told),
    "and not these as well:",
    ...rest.map(told),
  ].join("\n");
}
