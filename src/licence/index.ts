export type { Authority } from "../client/authority.ts";
export {
  DeviceDomainError,
  type DeviceErrorName,
  DomainServerError,
  isRetryable,
  type ServerErrorName,
} from "../client/client-errors.ts";
export type { DomainTokenClaims } from "../client/domain-tokens.ts";
export type { Pause } from "../client/retries.ts";
export { type EncryptionOptions, encryptToDomain } from "./domain-encryption.ts";
export { type VerificationOptions, verifyDomainToken } from "./domain-token-verification.ts";
export { MemoryRevisionStore, type RevisionStore, type SeenRevision } from "./revision-store.ts";
