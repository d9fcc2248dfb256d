import { type Command, machineGuidsOf } from "./commands.ts";
import type { Draft } from "./evolve.ts";
import { MAX_REPLACED } from "./replacement.ts";
import type { Decision, DomainState } from "./types.ts";

/**
 * How many of the members that have not renewed for longest these commands may need. None unless a device that is not a member
 * registers where `whenFull` asks for it, and the domain is full or may become so.
 *
 * @param state the domain before the commands, with the members they name
 */
export function candidatesNeeded(
  { settings, memberCount, members }: Pick<DomainState, "settings" | "memberCount" | "members">,
  commands: readonly Command[],
): number {
  const { whenFull, maxMembership } = settings;
  const isRenewal = (command: Command) => command.type === "register" && members.has(command.machineGuid);
  if (!commands.some(({ type }) => type === "register") || commands.every(isRenewal)) return 0;
  const changes = commands.filter(maySetMaximum).length;
  if (whenFull === "refuse" && !commands.some(({ type }) => type === "settings")) return 0;
  if (changes === 0 && (maxMembership === null || memberCount + commands.length <= maxMembership)) return 0;
  // Each command replaces, removes or renews one candidate for each device it names, besides those above the maximum.
  const named = commands.reduce((sum, command) => sum + Math.max(1, machineGuidsOf(command).length), 0);
  const above = Math.max(0, memberCount - (maxMembership ?? memberCount));
  return named + Math.min(above, MAX_REPLACED) + changes * MAX_REPLACED;
}

/** Whether a command may change the maximum: the settings do, and a token that names one. */
function maySetMaximum(command: Command): boolean {
  if (command.type === "settings") return true;
  return command.type === "register" && command.auth.kind === "verified" && command.auth.ownDomain !== undefined;
}

/**
 * Keeps the candidates of a batch right after a command. A member that renewed is no longer a candidate. Former
 * candidates at the end of the list are removed, so each is checked once.
 */
export function updateCandidates(
  { members, leastRecent }: Pick<Draft, "members" | "leastRecent">,
  command: Command,
  { outcome }: Decision<unknown>,
  today: number,
): void {
  if (command.type === "register" && outcome.granted) {
    const member = members.get(command.machineGuid);
    if (member && member.lastRenewedOn < today) members.set(command.machineGuid, { ...member, lastRenewedOn: today });
  }
  const isOver = (machineGuid: string) => (members.get(machineGuid)?.lastRenewedOn ?? today) >= today;
  while (leastRecent.length > 0 && isOver(leastRecent.at(-1) as string)) leastRecent.pop();
}
