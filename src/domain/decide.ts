import { decideBan, decideUnban } from "./ban.ts";
import type { AnyGrant, AnyOutcome, Command } from "./commands.ts";
import { decideDeregistration } from "./deregistration.ts";
import { decideEviction } from "./eviction.ts";
import { dayOf, draftOf, evolve } from "./evolve.ts";
import { decideRemoval, decideRenaming } from "./owner-commands.ts";
import { decideRegistration, repeatedRegistration } from "./registration.ts";
import { updateCandidates } from "./replacement-candidates.ts";
import { type RequestRecord, recordIds } from "./request-records.ts";
import { decideRetirement } from "./retirement.ts";
import { decideDueRollover, decideRollover } from "./rollover.ts";
import { decideSettings } from "./settings.ts";
import { type Decision, type DomainEvent, type DomainState, granted } from "./types.ts";

/** The result of a batch: the state after it, all its events, and one outcome for each command, in order. */
export type BatchDecision = Readonly<{
  state: DomainState;
  events: readonly DomainEvent[];
  /** Null for a command that was set aside: it changed nothing and has to be decided again. */
  outcomes: readonly (AnyOutcome | null)[];
  /** The records of the commands that changed something, by id. */
  records: ReadonlyMap<string, RequestRecord>;
}>;

/**
 * Decides commands one after the other, each on the state the ones before it left.
 *
 * @param now milliseconds since the Unix epoch
 * @param canServe whether a decision can be carried out now; a command whose decision cannot is set aside
 */
export function decideBatch(
  initial: DomainState,
  commands: readonly Command[],
  now: number,
  canServe: (decision: Decision<AnyGrant>) => boolean = () => true,
): BatchDecision {
  const draft = draftOf(initial);
  const events: DomainEvent[] = [];
  const outcomes: (AnyOutcome | null)[] = [];
  const records = new Map<string, RequestRecord>();
  let state: DomainState = { ...initial, ...draft };
  for (const command of commands) {
    const decision = decide(state, command, now);
    if (!canServe(decision)) {
      outcomes.push(null);
      continue;
    }
    for (const event of decision.events) {
      state = evolve(state, event, draft, now);
      events.push(event);
    }
    if (decision.events.length > 0 && decision.outcome.granted) {
      const machineGuid = "machineGuid" in command ? command.machineGuid : null;
      const record = { command: command.type, machineGuid, grant: decision.outcome.grant };
      for (const id of recordIds(command)) {
        draft.records.set(id, record);
        records.set(id, record);
      }
    }
    if (draft.leastRecent.length > 0) updateCandidates(draft, command, decision, dayOf(now));
    outcomes.push(decision.outcome);
  }
  // However many events: one batch, one commit, one revision.
  const revision = initial.revision + (events.length > 0 ? 1 : 0);
  return { state: { ...state, revision }, events, outcomes, records };
}

/**
 * Decides one command alone. A repeat of a request that is on record is answered from its record.
 *
 * @param now milliseconds since the Unix epoch
 */
export function decide(state: DomainState, command: Command, now: number): Decision<AnyGrant> {
  const record = state.records.get(command.requestId);
  if (record) return command.type === "register" ? repeatedRegistration(state, command, record) : granted(record.grant);
  switch (command.type) {
    case "register":
      return decideRegistration(state, command, now);
    case "deregister":
      return decideDeregistration(state, command);
    case "settings":
      return decideSettings(state, command);
    case "rollover":
      return decideRollover(state, command, now);
    case "due-rollover":
      return decideDueRollover(state, now);
    case "retire":
      return decideRetirement(state, command);
    case "evict":
      return decideEviction(state, command);
    case "ban":
      return decideBan(state, command);
    case "unban":
      return decideUnban(state, command);
    case "rename":
      return decideRenaming(state, command);
    case "remove":
      return decideRemoval(state, command);
  }
}
