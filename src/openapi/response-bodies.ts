import * as z from "zod";
import type {} from "zod-openapi";
import { MAX_CREDENTIALS } from "../protocol/limits.ts";
import {
  anyKeyVersion,
  authorityKey,
  compactJwe,
  compactJws,
  domainName,
  keyVersion,
  keyVersions,
  machineGuid,
  privateDomainKey,
  publicDomainKey,
  rules,
  time,
} from "./values.ts";

const statement = {
  keyVersion,
  token: compactJws.meta({
    description: "The domain token: this server's statement that the key belongs to the domain.",
  }),
  expiresAt: time.meta({ description: "When the domain token ends. Renew before." }),
};
const registered = {
  domain: domainName,
  machineGuid,
  newMember: z.boolean().meta({ description: "Whether this request made the device a member." }),
  keyVersion: keyVersion.meta({ description: "The domain's highest key version." }),
  olderKeyVersions: keyVersions.optional().meta({
    description:
      "Key versions above `afterKeyVersion` that are neither listed nor retired. The history has their keys: `GET /domains/{domain}/keys/{keyVersion}/history`. Absent if there are none.",
  }),
};
const LISTED =
  "The newest credentials above `afterKeyVersion`: at most 100, or one for `credentials: newest`. In ascending order.";
const sealedCredentials = z.array(z.object(statement).meta({ id: "SealedCredential" })).max(MAX_CREDENTIALS);

/** A registration was carried out, and its keys are readable. */
const readableRegistration = z
  .object({
    ...registered,
    credentials: z
      .array(z.object({ ...statement, privateKey: privateDomainKey }).meta({ id: "Credential" }))
      .max(MAX_CREDENTIALS)
      .meta({ description: LISTED }),
  })
  .meta({ id: "ReadableRegistrationResponse", description: "The response to a request without `encryptionKey`." });

/** A registration was carried out, and its keys are sealed to the device. */
const sealedRegistration = z
  .object({
    ...registered,
    credentials: sealedCredentials.meta({ description: LISTED }),
    sealedKeys: compactJwe.meta({
      description:
        "Encrypted to the device's `encryptionKey` (`ECDH-ES+A256KW`, `A256GCM`, `cty: jwk-set+json`): a JWK Set with the private key of every listed version.",
    }),
  })
  .meta({ id: "SealedRegistrationResponse", description: "The response to a request with `encryptionKey`." });

/** The response to a registration. */
export const registrationResponse = z.union([sealedRegistration, readableRegistration]).meta({
  id: "RegistrationResponse",
  description: "Sealed if the request had an `encryptionKey`, otherwise readable.",
});

/** The response to a de-registration, or to its preview. */
export const deregistrationResponse = z
  .object({
    domain: domainName,
    machineGuid,
    preview: z.boolean(),
    allowed: z.literal(true).meta({ description: "The device may leave: one that may not is refused." }),
    deregistered: z.boolean().meta({ description: "Whether the device was removed: false for a preview." }),
  })
  .meta({ id: "DeregistrationResponse" });

/** The description of a domain for devices that want to join. */
export const domainResponse = z
  .object({
    domain: domainName,
    ...rules,
    authorizationServers: z
      .array(z.string())
      .meta({ description: "The issuers (`iss`) whose tokens the domain takes. Empty if it asks for no token." }),
    keyVersion: anyKeyVersion,
  })
  .meta({ id: "Domain", description: "What a device must know before it joins." });

/** A domain's public keys. */
export const keySetResponse = z
  .object({
    keys: z
      .array(publicDomainKey)
      .max(MAX_CREDENTIALS)
      .meta({ description: "The newest keys of the selection: at most 100, in ascending order of their versions." }),
    currentKeyVersion: keyVersion.nullable().meta({
      description:
        "The version to encrypt to. It is null before the first key, and while a rollover is due: a device that left holds the newest key. A rollover that waits for `rolloverIntervalSeconds` is not due yet.",
    }),
    statement: compactJws.meta({
      description:
        "Signed by the domain authority: which key to encrypt to. `typ: domain-key-statement+jwt`. Claims: `iss`; `sub`, the domain; `iat`; `exp`, 5 minutes later; `revision`, which only grows within one `epoch`; `key_version`, which is `currentKeyVersion`; `cnf.jwk`, the key, absent if `key_version` is null.",
    }),
    olderKeyVersions: keyVersions
      .optional()
      .meta({ description: "Versions below the listed ones: ask with `before`. Absent if there are none." }),
  })
  .meta({ id: "DomainKeySet", description: "A JWK Set (RFC 7517, section 5), and which of its keys to encrypt to." });

/** Older keys of a domain, sealed to one of its keys. */
export const keyHistoryResponse = z
  .object({
    domain: domainName,
    keyVersion: keyVersion.meta({ description: "The version of the key that `sealedKeys` is encrypted to." }),
    credentials: sealedCredentials.meta({
      description: "The newest credentials below `before`, without retired ones: at most 100, in ascending order.",
    }),
    olderKeyVersions: keyVersions.optional().meta({
      description: "Versions below the listed ones that are not retired. Absent if there are none.",
    }),
    sealedKeys: compactJwe.meta({
      description:
        "Encrypted to the domain key of version `keyVersion`, which `kid` in the header names (`ECDH-ES+A256KW`, `A256GCM`, `cty: jwk-set+json`): a JWK Set with the private key of every listed version.",
    }),
  })
  .meta({ id: "KeyHistory", description: "Older credentials of a domain, for holders of a newer key." });

/** A rollover that was due is carried out. */
export const rolloverResponse = z
  .object({
    domain: domainName,
    keyVersion: keyVersion.meta({ description: "The domain's highest key version." }),
    statement: compactJws
      .optional()
      .meta({ description: "The statement of this key, as in the key set. Only with `statement=true`." }),
  })
  .meta({ id: "RolloverResponse" });

/** The keys that domain tokens are signed with. */
export const authorityKeySetResponse = z
  .object({
    keys: z.array(authorityKey).min(1).meta({ description: "The first key signs. All of them verify." }),
    rotations: z.array(compactJws).min(1).optional().meta({
      description:
        "One JWS of each former key, which vouches for the first key (`typ: authority-rotation+jwt`, claims `iss`, `iat`, `exp`, `cnf.jwk`). A device that trusts a former key trusts the first key by it. Signed again once a day. Absent if there is only one key.",
    }),
  })
  .meta({
    id: "AuthorityKeySet",
    description: "A JWK Set (RFC 7517, section 5) to verify domain tokens and other statements of this server with.",
  });

/** How the server is. */
export const healthResponse = z
  .object({
    status: z.enum(["ok", "failing"]).meta({ description: "Failing if anything else here is not ok." }),
    database: z.enum(["ok", "unmigrated", "failing"]).meta({ description: "Whether it answers and has its tables." }),
    secrets: z
      .enum(["ok", "failing"])
      .meta({ description: "Whether the keys among the secrets do what they are for." }),
    copy: z
      .object({
        domains: z.int().min(0).meta({ description: "How many domains wait for their changes to be written." }),
        seconds: z.number().min(0).meta({ description: "How long the oldest has waited; 0 if none waits." }),
      })
      .nullable()
      .meta({ id: "CopyLag", description: "How far the database is behind the domains; null if nobody can say." }),
  })
  .meta({ id: "Health" });
