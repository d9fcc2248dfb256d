export type { Authority } from "./authority.ts";
export {
  type CallOptions,
  DeviceDomain,
  type DeviceDomainOptions,
  type DomainOverview,
  type Membership,
} from "./device-domain.ts";
export type {
  DeviceState,
  DeviceStatus,
  DeviceStore,
  StoredCredential,
  StoredKey,
  StoredKeyPair,
} from "./device-state.ts";
export { DeviceDomainError, type DeviceErrorName, DomainServerError } from "./errors.ts";
export { IndexedDbStore } from "./indexed-db-store.ts";
export { MemoryStore } from "./memory-store.ts";
export type { Pause } from "./retries.ts";
