import * as z from "zod";
import type {} from "zod-openapi";
import {
  anyKeyVersion,
  authorityKey,
  compactJwe,
  compactJws,
  domainName,
  keyVersion,
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
};

/** A registration was carried out, and its keys are readable. */
const readableRegistration = z
  .object({
    ...registered,
    credentials: z
      .array(z.object({ ...statement, privateKey: privateDomainKey }).meta({ id: "Credential" }))
      .meta({ description: "One for each key version above `afterKeyVersion`, in rising order." }),
  })
  .meta({ id: "ReadableRegistrationAnswer", description: "What a device gets that sent no `encryptionKey`." });

/** A registration was carried out, and its keys are sealed to the device. */
const sealedRegistration = z
  .object({
    ...registered,
    credentials: z
      .array(z.object(statement).meta({ id: "SealedCredential" }))
      .meta({ description: "One for each key version above `afterKeyVersion`, in rising order." }),
    sealedKeys: compactJwe.meta({
      description:
        "Encrypted to the device's `encryptionKey` (`ECDH-ES+A256KW`, `A256GCM`, `cty: jwk-set+json`): a JWK Set with the private key of every listed version.",
    }),
  })
  .meta({ id: "SealedRegistrationAnswer", description: "What a device gets that sent an `encryptionKey`." });

/** What a registration gives. */
export const registrationAnswer = z
  .union([sealedRegistration, readableRegistration])
  .meta({ id: "RegistrationAnswer", description: "Sealed if the request had an `encryptionKey`, else readable." });

/** What a de-registration, or its preview, gives. */
export const deregistrationAnswer = z
  .object({
    domain: domainName,
    machineGuid,
    preview: z.boolean(),
    allowed: z.literal(true).meta({ description: "The device may leave: one that may not is refused." }),
    deregistered: z.boolean().meta({ description: "Whether the device was removed: false for a preview." }),
  })
  .meta({ id: "DeregistrationAnswer" });

/** What a device must know before it joins. */
export const domainAnswer = z
  .object({ domain: domainName, ...rules, keyVersion: anyKeyVersion })
  .meta({ id: "Domain", description: "What a device must know before it joins." });

/** A domain's public keys. */
export const keySetAnswer = z
  .object({
    keys: z.array(publicDomainKey).meta({ description: "All of the domain's public keys, oldest first." }),
    currentKeyVersion: keyVersion
      .nullable()
      .meta({ description: "The one to encrypt to; null while a rollover is due: who left holds the newest." }),
  })
  .meta({ id: "DomainKeySet", description: "A JWK Set (RFC 7517, section 5), and which of its keys to encrypt to." });

/** The keys that domain tokens are signed with. */
export const authorityKeySetAnswer = z
  .object({ keys: z.array(authorityKey) })
  .meta({ id: "AuthorityKeySet", description: "A JWK Set (RFC 7517, section 5) to check domain tokens against." });

/** How the server is. */
export const healthAnswer = z
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
