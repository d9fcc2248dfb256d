import * as z from "zod";
import type {} from "zod-openapi";
import { MAX_DOMAIN_NAME_LENGTH } from "../domain/names.ts";
import { MAX_ROLLOVER_INTERVAL_SECONDS } from "../protocol/limits.ts";
import { MACHINE_GUID } from "../protocol/machine-guid.ts";
import { EXAMPLE } from "./example-values.ts";

// Schemas of the values that requests and responses share. The Worker imports nothing from this folder.

/** A domain's name, by the rules of `domainNameProblem`. */
export const domainName = z
  .string()
  .max(MAX_DOMAIN_NAME_LENGTH)
  .regex(/^(?!.*\.\.)[A-Za-z0-9]([A-Za-z0-9._:@~-]*[A-Za-z0-9])?$/)
  .meta({ id: "DomainName", description: "The name of a domain; case matters.", examples: [EXAMPLE.domain] });

/** A machine GUID as answers have it. */
export const machineGuid = z
  .string()
  .regex(MACHINE_GUID)
  .meta({
    id: "MachineGuid",
    description: "The device's machine GUID, in lower case.",
    examples: [EXAMPLE.machineGuid],
  });

/** A moment. */
export const time = z.iso
  .datetime()
  .meta({ id: "Time", description: "A moment: ISO 8601, in UTC.", examples: [EXAMPLE.time] });

/** A key version that exists. */
export const keyVersion = z
  .int()
  .min(1)
  .meta({
    id: "KeyVersion",
    description: "The version of a domain's key: 1 for its first, and one more for each that follows.",
    examples: [2],
  });

/** A key version, or that there is none yet. */
export const anyKeyVersion = z
  .int()
  .min(0)
  .meta({ description: "The domain's highest key version; 0 before its first key." });

/** Key versions from one to another. */
export const keyVersions = z
  .object({ from: keyVersion, to: keyVersion })
  .meta({ id: "KeyVersionRange", description: "Key versions from one to another, both included." });

/** The rules of a domain that anyone may know. */
export const rules = {
  authenticationRequired: z.boolean().meta({ description: "Whether devices need an auth token." }),
  authNamespace: z
    .string()
    .nullable()
    .meta({ description: "The one auth namespace whose tokens count; null for those of every trusted issuer." }),
  deviceKeyRequired: z.boolean().meta({ description: "Whether devices must sign every request." }),
};

/** The maximum of a domain, which its operators know. */
export const maxMembership = z
  .int()
  .min(0)
  .nullable()
  .meta({ description: "How many devices may be members at once; null for no maximum." });

/** When the keys of a domain are replaced and retired, in force. */
export const keyRules = {
  rolloverIntervalSeconds: z.int().min(0).max(MAX_ROLLOVER_INTERVAL_SECONDS).meta({
    description:
      "The shortest time between two rollovers after leaves, in seconds. The server's default counts if the domain has no value of its own.",
  }),
  maxMembershipPerSubject: z
    .int()
    .min(1)
    .nullable()
    .meta({ description: "How many devices may be members at once by tokens of one subject; null for no maximum." }),
  ownerSubject: z.string().nullable().meta({
    description: "The `sub` of the owner's auth tokens; null if the domain has no owner. Only operators see it.",
  }),
  whenFull: z.enum(["refuse", "replace-least-recent"]).meta({
    description:
      "Whether a device that joins a full domain is refused, or takes the place of the member that has not renewed for longest.",
  }),
  minIdleDays: z.int().min(0).meta({
    description: "A member is replaced only if its last renewal is more than so many days ago.",
  }),
  memberIdleDays: z
    .int()
    .min(1)
    .nullable()
    .meta({ description: "Members that have not renewed for more than so many days are removed; null for never." }),
  deleteAfterEmptyDays: z.int().min(1).nullable().meta({
    description: "The domain is deleted once it has had no member, and no change, for so many days; null for never.",
  }),
  retireAfterDays: z
    .int()
    .min(1)
    .nullable()
    .meta({ description: "Keys are retired this many days after their successor was made; null for never." }),
};

/** How a path names a device. */
export const deviceName = z.string().meta({
  description:
    "The whole machine GUID, in either case, or a `handle` from a list of the same domain or of devices across domains.",
  examples: [EXAMPLE.machineGuid],
});

/** How a member is named by those who look. */
export const memberName = z.string().meta({
  description: "The whole machine GUID, in either case; a `handle`; or a `deviceId`, by which the log has the device.",
  examples: [EXAMPLE.machineGuid],
});

/** 32 bytes, as a SHA-256 hash has. */
export const sha256 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** Three parts in base64url. */
export const compactJws = z
  .string()
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)
  .meta({ id: "CompactJws", description: "A JWS in compact serialization (RFC 7515, section 7.1)." });

/** Five parts in base64url. */
export const compactJwe = z
  .string()
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)
  .meta({ id: "CompactJwe", description: "A JWE in compact serialization (RFC 7516, section 7.1)." });

const coordinate = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .meta({ id: "Coordinate", description: "32 bytes in base64url." });

const point = { kty: z.literal("EC"), crv: z.literal("P-256"), x: coordinate, y: coordinate };
/** The name of a domain's key. */
export const domainKeyId = sha256.meta({
  id: "DomainKeyId",
  description: "The thumbprint of the public key (RFC 7638). It does not name the domain.",
});
const domainKey = {
  ...point,
  kid: domainKeyId,
  key_version: keyVersion,
  use: z.literal("enc"),
  alg: z.literal("ECDH-ES+A256KW"),
};

/** A domain's key, to encrypt to. */
export const publicDomainKey = z
  .object(domainKey)
  .meta({ id: "PublicDomainKey", description: "The public half of a domain's key: encrypt to it." });

/** A domain's key, to decrypt with. */
export const privateDomainKey = z
  .object({ ...domainKey, d: coordinate })
  .meta({ id: "PrivateDomainKey", description: "A domain's key with its private part. Only members get it." });

/** A key that domain tokens are signed with. */
export const authorityKey = z
  .object({ ...point, kid: z.string(), use: z.literal("sig"), alg: z.literal("ES256") })
  .meta({ id: "AuthorityKey", description: "The public half of a key that this server signs domain tokens with." });
