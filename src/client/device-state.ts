import type { JWK } from "jose";

/** A private key as a store keeps it: a `CryptoKey` that cannot be exported, or a JWK where only text can be kept. */
export type StoredKey = CryptoKey | JWK;

/** A key pair of the device. */
export type StoredKeyPair = Readonly<{ publicJwk: JWK; privateKey: StoredKey }>;

/** A checked domain credential; `expiresAt` is the end of its token, in milliseconds since the Unix epoch. */
export type StoredCredential = Readonly<{
  keyVersion: number;
  /** The RFC 7638 thumbprint of the domain key. */
  kid: string;
  token: string;
  expiresAt: number;
  privateKey: StoredKey;
}>;

/**
 * Where a device stands. `leaving`: a leave was begun and is not finished. `removed`: somebody else ended its membership;
 * it still holds its keys.
 */
export type DeviceStatus = "new" | "member" | "leaving" | "left" | "removed";

/** Everything a device remembers of itself in one domain; never changed, only replaced. */
export type DeviceState = Readonly<{
  version: 1;
  machineGuid: string;
  status: DeviceStatus;
  /** ES256: says that requests are this device's. */
  signingKey: StoredKeyPair;
  /** ECDH on P-256: domain keys are sealed to it. */
  sealingKey: StoredKeyPair;
  /** The last is the domain's newest, as far as the device knows; those before it are in the order of their versions. */
  credentials: readonly StoredCredential[];
  /** The RFC 7638 thumbprints of the authority's keys that the device trusts; none before it joined. */
  authority: readonly string[];
  /** The leave that was sent and is to be finished: the key it is repeated under, and when its latest try was signed. */
  leave: Readonly<{ idempotencyKey: string; signedAt: number }> | null;
  /** The status before a leave that was not sent yet: `beforeLeaving` is owed first. */
  preparing?: DeviceStatus;
  /** When the last join or leave that took effect was signed, in milliseconds since the epoch: what was signed before it,
   * the server takes for a replay. */
  effectiveAt: number | null;
  /** When the latest registration was signed that has no answer, in milliseconds since the epoch: it may yet arrive. */
  unanswered?: number;
}>;

/** Where devices are kept, one for each domain URL. */
export interface DeviceStore {
  /** Whether it keeps `CryptoKey`s as they are; else it is given JWKs. */
  readonly keepsCryptoKeys: boolean;
  /** The device that was saved last for a domain URL, if any. */
  load(domainUrl: string): Promise<DeviceState | null>;
  /** Saves a device. Once this resolves, it must survive whatever the store is meant to survive. */
  save(domainUrl: string, state: DeviceState): Promise<void>;
  /**
   * Runs work while no other program that shares the store runs any for the same domain URL. A store without it is for
   * one program at a time.
   */
  exclusively?<T>(domainUrl: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
}

const STATUSES: readonly unknown[] = ["new", "member", "leaving", "left", "removed"] satisfies DeviceStatus[];

/** Whether something that was kept as text is a device's state, whole and of this version. */
export function isDeviceState(value: unknown): value is DeviceState {
  const state = value as DeviceState | null;
  return (
    typeof state === "object" &&
    state !== null &&
    state.version === 1 &&
    typeof state.machineGuid === "string" &&
    STATUSES.includes(state.status) &&
    [state.signingKey, state.sealingKey].every((pair) => isPrivateJwk(pair?.privateKey) && isText(pair.publicJwk?.x)) &&
    Array.isArray(state.credentials) &&
    state.credentials.every(isCredential) &&
    new Set(state.credentials.map(({ kid }) => kid)).size === state.credentials.length &&
    Array.isArray(state.authority) &&
    state.authority.every(isText) &&
    (state.leave === null || (isText(state.leave?.idempotencyKey) && Number.isFinite(state.leave.signedAt))) &&
    isLeaveAsItsStatus(state) &&
    (state.effectiveAt === null || Number.isFinite(state.effectiveAt)) &&
    (state.unanswered === undefined || Number.isFinite(state.unanswered))
  );
}

/** Whether a device that is leaving, and no other, has a leave that was sent or one that is prepared. */
function isLeaveAsItsStatus({ status, leave, preparing }: DeviceState): boolean {
  if (status !== "leaving") return leave === null && preparing === undefined;
  if (preparing === undefined) return leave !== null;
  return leave === null && preparing !== "leaving" && STATUSES.includes(preparing);
}

function isCredential(credential: StoredCredential | null): boolean {
  return (
    typeof credential === "object" &&
    credential !== null &&
    Number.isSafeInteger(credential.keyVersion) &&
    isText(credential.kid) &&
    isText(credential.token) &&
    Number.isFinite(credential.expiresAt) &&
    isPrivateJwk(credential.privateKey)
  );
}

function isPrivateJwk(key: StoredKey | undefined): boolean {
  return typeof key === "object" && key !== null && "d" in key && isText(key.d) && isText(key.x) && isText(key.y);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
