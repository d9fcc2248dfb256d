import { ownerRefusal } from "./owner.ts";
import { type AuthEvidence, type Decision, type DomainState, granted, refused } from "./types.ts";

/** The name of the owner in the log. */
const OWNER = "owner";

/** The owner gives a device another name, or takes its name away. */
export type DeviceRenaming = Readonly<{
  type: "rename";
  requestId: string;
  machineGuid: string;
  auth: AuthEvidence;
  /** Null for no name. */
  sealedName: string | null;
}>;

/** The owner removes devices. They may come back. */
export type DeviceRemoval = Readonly<{
  type: "remove";
  requestId: string;
  machineGuids: readonly string[];
  auth: AuthEvidence;
}>;

/** The device has the name. */
export type RenamingGrant = Readonly<{ renamed: true }>;

/** How many of the devices were members, and are no more. */
export type RemovalGrant = Readonly<{ removed: number }>;

/** Decides a renaming. */
export function decideRenaming(state: DomainState, renaming: DeviceRenaming): Decision<RenamingGrant> {
  const { machineGuid, requestId, auth, sealedName } = renaming;
  if (state.revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to rename a device of" });
  const refusal = ownerRefusal(state, auth);
  if (refusal) return refused(refusal);
  const member = state.members.get(machineGuid);
  if (!member) return refused({ error: "NOT_FOUND", reason: "no such member", detail: NO_MEMBER });
  if (member.sealedName === null && sealedName === null) return granted({ renamed: true });
  return granted({ renamed: true }, [{ type: "device-named", machineGuid, requestId, sealedName, by: OWNER }]);
}

/** Decides a removal, which has a rollover follow like an eviction. Who is not a member needs no removal. */
export function decideRemoval(state: DomainState, removal: DeviceRemoval): Decision<RemovalGrant> {
  const { machineGuids, requestId, auth } = removal;
  if (state.revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to remove devices of" });
  const refusal = ownerRefusal(state, auth);
  if (refusal) return refused(refusal);
  const members = new Set(machineGuids.filter((machineGuid) => state.members.has(machineGuid)));
  return granted(
    { removed: members.size },
    [...members].map((machineGuid) => ({ type: "device-evicted", machineGuid, requestId, by: OWNER })),
  );
}

/** The answer about a device that is none of the domain. */
export const NO_MEMBER = "The device is not a member of the domain.";
