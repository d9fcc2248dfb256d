import type { JWK } from "jose";
import type { DeviceBans, ServerWideBan } from "../object/device-bans.ts";
import { objectNamed } from "../placement.ts";
import { deviceShown } from "./devices-shown.ts";
import { repeatedCall } from "./domain-objects.ts";
import { KnownBans } from "./known-bans.ts";
import { isoTime } from "./request-context.ts";

/** There is one object for all bans. */
const NAME = "bans";

type Calls = "ban" | "leaveOut" | "lift" | "forgetDomains" | "find" | "list" | "names";
/** The object as it is called: every result comes as a promise. */
type Stub = {
  [Name in Calls]: (...args: Parameters<DeviceBans[Name]>) => Promise<ReturnType<DeviceBans[Name]>>;
};

/** Calls the object of the server-wide bans. @throws Problem if it stays lost */
export function callBans<Result>(env: Env, call: (bans: Stub) => Promise<Result>): Promise<Result> {
  return repeatedCall(() => call(stubOf(env)));
}

const known = new WeakMap<Env, KnownBans>();

/** The server-wide bans, as this isolate knows them. */
export function knownBans(env: Env): KnownBans {
  const bans = known.get(env) ?? new KnownBans((version) => stubOf(env).names(version));
  known.set(env, bans);
  return bans;
}

/** A server-wide ban as operators see it. */
export async function serverWideBanShown(ban: ServerWideBan, keys: readonly JWK[]) {
  return { ...(await deviceShown(null, ban.machineGuid, keys)), ...banTerms(ban) };
}

/** A server-wide ban, without the device. */
export function banTerms({ deviceKeys, reason, bannedAt, bannedBy }: ServerWideBan) {
  return { hasDeviceKey: deviceKeys.length > 0, reason, bannedAt: isoTime(bannedAt), bannedBy };
}

function stubOf(env: Env): Stub {
  return objectNamed(env, env.DEVICE_BANS, NAME) as unknown as Stub;
}
