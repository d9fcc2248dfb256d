import { MAX_CLOCK_SKEW_SECONDS } from "../protocol/limits.ts";
import { DomainServerError } from "./client-errors.ts";
import type { DeviceState } from "./device-state.ts";

const TOLERANCE_MILLISECONDS = MAX_CLOCK_SKEW_SECONDS * 1000;

/** Refusals of a registration that a member never gets. The last one: the domain was deleted, and operators alone make one. */
const ONLY_FOR_OTHERS: readonly string[] = ["DOM_LIMIT_REACHED", "DEVICE_BANNED", "DOMAIN_NOT_FOUND"];

/** The state while a registration has no answer: it may yet arrive. */
export function registering(state: DeviceState, signedAt: number): DeviceState {
  return { ...state, status: state.status === "left" ? "new" : state.status, unanswered: signedAt };
}

/** The state after a registration was refused: a member that is refused as one more device was removed. */
export function refusedRegistration(state: DeviceState, { error }: DomainServerError): DeviceState {
  const removed = state.status === "member" && ONLY_FOR_OTHERS.includes(error);
  return removed ? { ...state, status: "removed" } : state;
}

/** The state in which no registration is without an answer. */
export function answered({ unanswered, ...state }: DeviceState): DeviceState {
  return state;
}

/** Whether a registration without an answer may take effect: the server takes none that was signed long ago. */
export function mayYetRegister({ unanswered }: DeviceState, now: number): boolean {
  // By the clock of a device that signed ahead of time, it takes twice as long.
  return unanswered !== undefined && now < unanswered + 2 * TOLERANCE_MILLISECONDS;
}

/** The state in which a leave is wanted, and `beforeLeaving` is owed before it is sent. */
export function preparing(state: DeviceState): DeviceState {
  return { ...state, status: "leaving", preparing: state.preparing ?? state.status };
}

/** The state before a leave that was not sent. */
export function unprepared({ preparing, ...state }: DeviceState): DeviceState {
  return { ...state, status: preparing ?? state.status };
}

/** The state in which a leave is sent. */
export function leaving({ preparing, ...state }: DeviceState, idempotencyKey: string, now: number): DeviceState {
  const signedAt = Math.max(now, state.leave?.signedAt ?? 0);
  return { ...state, status: "leaving", leave: { idempotencyKey, signedAt } };
}

/** The state after the membership. */
export function gone({ leave, ...state }: DeviceState, now: number): DeviceState {
  // A wrong clock may have signed tries that the server never took: those must not keep the device from coming back.
  const effectiveAt = leave ? Math.min(leave.signedAt, now + TOLERANCE_MILLISECONDS) : state.effectiveAt;
  return { ...state, status: "left", credentials: [], leave: null, effectiveAt };
}

/**
 * When a request is signed: after whatever took effect or may yet, also if the clock was set back since. The server takes
 * what is signed before for a replay.
 */
export function signingTime({ effectiveAt, unanswered, leave }: DeviceState, now: number): number {
  const mayBeTaken = (at: number | undefined) => (at ?? 0) < now + TOLERANCE_MILLISECONDS;
  // The server never accepted a request that a wrong clock signed further ahead than that.
  const open = [unanswered, leave?.signedAt].filter(mayBeTaken);
  return Math.max(now, ...[effectiveAt, ...open].map((at) => (at ?? 0) + 1));
}

/** Whether a leave was denied: there is no such member. */
export function isDenied(error: unknown): boolean {
  return error instanceof DomainServerError && error.error === "DEREG_DENIED";
}
