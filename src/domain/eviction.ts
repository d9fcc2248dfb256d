import { type Decision, type DomainState, granted, refused } from "./types.ts";

/** An operator removes a device. It may come back, unless it is banned. */
export type Eviction = Readonly<{
  type: "evict";
  requestId: string;
  machineGuid: string;
  /** The operator. */
  by: string;
}>;

/** The device is no longer a member. */
export type EvictionGrant = Readonly<{ evicted: true }>;

/** Decides an eviction, which has a rollover follow like a leave. */
export function decideEviction(state: DomainState, { machineGuid, requestId, by }: Eviction): Decision<EvictionGrant> {
  if (state.revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to evict from" });
  if (!state.members.has(machineGuid)) return refused({ error: "NOT_FOUND", reason: "no such member" });
  return granted({ evicted: true }, [{ type: "device-evicted", machineGuid, requestId, by }]);
}
