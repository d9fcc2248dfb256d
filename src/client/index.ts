export type { Authority } from "./authority.ts";
export type { ChangeListener, DeviceChange } from "./change-listeners.ts";
export {
  DeviceDomainError,
  type DeviceErrorName,
  DomainServerError,
  isRetryable,
  type ServerErrorName,
} from "./client-errors.ts";
export {
  type CallOptions,
  DeviceDomain,
  type DeviceDomainOptions,
  type DomainOverview,
  type LeaveOptions,
} from "./device-domain.ts";
export type {
  DeviceState,
  DeviceStatus,
  DeviceStore,
  StoredCredential,
  StoredKey,
  StoredKeyPair,
} from "./device-state.ts";
export { IndexedDbStore } from "./indexed-db-store.ts";
export type { BeforeLeaving, RegistrationResult } from "./membership-requests.ts";
export { MemoryStore } from "./memory-store.ts";
export type { NamedDevice, OwnedDevice } from "./owned-devices.ts";
export type { Pause } from "./retries.ts";
