import type { BanGrant, BanRequest, UnbanGrant, UnbanRequest } from "./ban.ts";
import type { Deregistration, DeregistrationGrant } from "./deregistration.ts";
import type { Eviction, EvictionGrant } from "./eviction.ts";
import type { DeviceRemoval, DeviceRenaming, RemovalGrant, RenamingGrant } from "./owner-commands.ts";
import type { Registration, RegistrationGrant } from "./registration.ts";
import type { Retirement, RetirementGrant } from "./retirement.ts";
import type { DueRollover, Rollover, RolloverGrant } from "./rollover.ts";
import type { SettingsChange, SettingsGrant } from "./settings.ts";
import type { Outcome } from "./types.ts";

/** Everything that can be asked of a domain. */
export type Command =
  | Registration
  | Deregistration
  | SettingsChange
  | Rollover
  | DueRollover
  | Retirement
  | Eviction
  | BanRequest
  | UnbanRequest
  | DeviceRenaming
  | DeviceRemoval;

/** The grant of each command. */
export type GrantOf = {
  register: RegistrationGrant;
  deregister: DeregistrationGrant;
  settings: SettingsGrant;
  rollover: RolloverGrant;
  "due-rollover": RolloverGrant;
  retire: RetirementGrant;
  evict: EvictionGrant;
  ban: BanGrant;
  unban: UnbanGrant;
  rename: RenamingGrant;
  remove: RemovalGrant;
};

/** The grant of a command, whichever it was. */
export type AnyGrant = GrantOf[Command["type"]];

/** The outcome of a command, whichever it was. */
export type AnyOutcome = Outcome<AnyGrant>;

/** The machine GUIDs of the devices that a command is about. */
export function machineGuidsOf(command: Command): readonly string[] {
  if ("machineGuids" in command) return command.machineGuids;
  return "machineGuid" in command ? [command.machineGuid] : [];
}
