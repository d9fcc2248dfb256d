import { ownerRefusal } from "../../domain/owner.ts";
import { type AuthEvidence, type Outcome, refused } from "../../domain/types.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { READS, type ReadResult, type RowPage } from "./storage/reads.ts";
import type { UsageStatistics } from "./usage-statistics.ts";

/** Some devices of a domain, or the one with a machine GUID; empty if there is no such device. */
export type DeviceSelection = RowPage<string> | Readonly<{ machineGuid: string }>;

/** Devices of a domain, for its owner. */
export type OwnedDeviceList = Readonly<{
  memberCount: number;
  maxMembership: number | null;
  rows: ReadResult<"members">;
}>;

/** Devices of a domain, if it is the owner who asks. */
export function ownedDevices(
  storage: DomainStorage,
  statistics: UsageStatistics,
  auth: AuthEvidence,
  selection: DeviceSelection,
): Outcome<OwnedDeviceList> {
  const { domainState } = storage;
  const { settings, memberCount } = domainState;
  const refusal = ownerRefusal(domainState, auth);
  if (refusal) return refused(refusal).outcome;
  // The newest renewals are in memory.
  statistics.write();
  const rows =
    "machineGuid" in selection
      ? [READS.member(storage, selection.machineGuid) ?? []].flat()
      : READS.members(storage, selection);
  return { granted: true, grant: { memberCount, maxMembership: settings.maxMembership, rows } };
}
