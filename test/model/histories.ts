import fc from "fast-check";
import { connect } from "./client-connection.ts";
import { uncopied } from "./copies.ts";
import { tryCredentials } from "./credentials.ts";
import { DomainClient, newTokens } from "./domain-client.ts";
import { inexplicable, record } from "./history.ts";
import { broken } from "./invariants.ts";
import type { Outcome } from "./outcome.ts";
import {
  CLIENTS,
  GROWING_OLD,
  type Plan,
  plans,
  plansOfOld,
  plansOfOwners,
  plansOfSubjects,
  plansWithLosses,
  SETTING_OWNER,
  SETTING_QUOTA,
} from "./plans.ts";
import type { Ask } from "./requests.ts";
import type { ModelServer } from "./server.ts";
import { Tally } from "./tally.ts";

/** How many domains are at work at once. */
const DOMAINS_AT_ONCE = 16;
/** The credentials of one domain in so many are tested: that takes longer than the requests themselves. */
const DOMAINS_PER_TRIAL = 8;

/** The requests of a history: those before all else, and then random ones. */
export type HistoryKind = Readonly<{ plans: fc.Arbitrary<Plan>; first?: readonly Ask[] }>;

/** The kinds of histories. */
export const HISTORY_KINDS = {
  plain: { plans },
  withLosses: { plans: plansWithLosses },
  /** With a quota for each token subject. */
  ofSubjects: { plans: plansOfSubjects, first: SETTING_QUOTA },
  /** Of domains that belong to a subject. */
  ofOwners: { plans: plansOfOwners, first: SETTING_OWNER },
  /** With about as many keys as a response lists at most. */
  old: { plans: plansOfOld, first: GROWING_OLD },
} as const satisfies Record<string, HistoryKind>;

/**
 * Sends random requests for many domains, those of each from 8 clients at once, and holds what was answered and what the
 * objects have then against the model and the invariants. Ends at the first domain of which they do not hold. In the end
 * D1 must come to have what the objects have.
 *
 * @param seed the same one, the same requests; how they meet at the server is another matter
 * @param patience how long D1 may take for its next domain, in milliseconds
 */
export async function tryHistories(
  server: ModelServer,
  histories: number,
  seed: number,
  { plans, first = [] }: HistoryKind = HISTORY_KINDS.plain,
  patience?: number,
): Promise<Outcome> {
  const [tokens, tally] = await Promise.all([newTokens(server), Tally.begin(server)]);
  const broke: string[] = [];
  let tried = 0;
  let [asked, opened] = [0, 0];
  let hasLosses = false;
  const oneAfterTheOther = async (index: number) => {
    const connections = connect(server, CLIENTS);
    const numRuns = Math.ceil((histories - index) / DOMAINS_AT_ONCE);
    const property = fc.asyncProperty(plans, async (plan) => {
      if (broke.length > 0) return;
      const isTrial = tried % DOMAINS_PER_TRIAL === 0;
      const client = new DomainClient(`d${index}-${tried++}-${seed}`, server, tokens);
      const history = await record(client, plan, connections, { first });
      asked += history.calls.length;
      tally.add(history);
      hasLosses ||= history.hasLosses;
      const faults = broken(history, server.objects);
      // A history that broke an invariant need not be explained, which may take long.
      broke.push(...(faults.length > 0 ? faults : [inexplicable(history) ?? []].flat()));
      if (!isTrial) return;
      const trial = await tryCredentials(server, client);
      opened += trial.opened;
      broke.push(...trial.found);
    });
    // Not shrunk: the same requests need not meet in the same way twice.
    if (numRuns > 0) await fc.assert(property, { seed: seed + index, numRuns, endOnFailure: true });
    for (const connection of connections) connection.close();
  };
  await Promise.all(Array.from({ length: DOMAINS_AT_ONCE }, (_, index) => oneAfterTheOther(index)));
  if (broke.length === 0) broke.push(...(await uncopied(server, patience)));
  // An object that is lost takes along what it had not told of a domain that was deleted.
  if (broke.length === 0 && !hasLosses) broke.push(...(await tally.faults()));
  return { tried, broke, figures: `${asked} requests, ${opened} keys of the history opened, seed ${seed}` };
}
