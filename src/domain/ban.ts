import type { Refusal } from "./refusals.ts";
import { type Decision, type DeviceProof, type DomainEvent, type DomainState, granted, refused } from "./types.ts";

/** An operator keeps a device out, whether or not it is a member. */
export type BanRequest = Readonly<{
  type: "ban";
  requestId: string;
  machineGuid: string;
  /** For operators to read. */
  reason: string;
  /** The operator. */
  by: string;
}>;

/** An operator lets a device that was banned come back. */
export type UnbanRequest = Readonly<{ type: "unban"; requestId: string; machineGuid: string; by: string }>;

/** The device is banned from now on, and whether it was not before. */
export type BanGrant = Readonly<{ created: boolean }>;

/** The device is banned no more. */
export type UnbanGrant = Readonly<{ banned: false }>;

/** Decides a ban: a member is evicted, and its device key banned with it. A new reason replaces the one before. */
export function decideBan(state: DomainState, ban: BanRequest): Decision<BanGrant> {
  const { machineGuid, requestId, reason, by } = ban;
  if (state.revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to ban from" });
  const known = state.bans.get(machineGuid);
  const member = state.members.get(machineGuid);
  if (known && !member && known.reason === reason) return granted({ created: false });
  const deviceKeyThumbprint = member?.deviceKeyThumbprint ?? known?.deviceKeyThumbprint ?? null;
  const evicted: DomainEvent[] = member ? [{ type: "device-evicted", machineGuid, requestId, by }] : [];
  return granted({ created: !known }, [
    ...evicted,
    { type: "device-banned", machineGuid, deviceKeyThumbprint, reason, requestId, by },
  ]);
}

/** Decides the end of a ban. */
export function decideUnban(state: DomainState, { machineGuid, requestId, by }: UnbanRequest): Decision<UnbanGrant> {
  if (state.revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to unban from" });
  if (!state.bans.has(machineGuid)) return refused({ error: "NOT_FOUND", reason: "no such ban" });
  return granted({ banned: false }, [{ type: "device-unbanned", machineGuid, requestId, by }]);
}

/**
 * Why a device that is banned, by its machine GUID or by its key, is turned away; null if it is not.
 *
 * @param everywhere whether it is banned server-wide
 */
export function banRefusal(
  state: DomainState,
  machineGuid: string,
  proof: DeviceProof | null,
  everywhere = false,
): Refusal | null {
  if (everywhere) return { error: "DEVICE_BANNED", reason: "the machine GUID or the device key is banned server-wide" };
  const keyIsBanned = () =>
    proof !== null &&
    [...state.bans.values()].some(({ deviceKeyThumbprint }) => deviceKeyThumbprint === proof.thumbprint);
  if (state.bans.size === 0 || !(state.bans.has(machineGuid) || keyIsBanned())) return null;
  return { error: "DEVICE_BANNED", reason: "the machine GUID or the device key is banned" };
}
