import * as z from "zod";
import type {} from "zod-openapi";
import type { DomainEvent } from "../domain/types.ts";
import type { ErrorName } from "../protocol/error-names.ts";
import { MAX_PAGE_ROWS } from "../protocol/limits.ts";
import { SCOPES } from "../server/auth/scopes.ts";
import { PROBLEMS } from "../server/http/problems.ts";
import {
  anyKeyVersion,
  compactJws,
  domainKeyId,
  domainName,
  keyRules,
  keyVersion,
  machineGuid,
  maxMembership,
  rules,
  sha256,
  time,
} from "./values.ts";

/** A day. */
export const day = z.iso.date().meta({ id: "Day", description: "A day in UTC.", examples: ["2026-11-23"] });
const hash = sha256.meta({
  id: "EntryHash",
  description: "The SHA-256 hash of an entry's canonical JSON (RFC 8785), in base64url.",
});
/** How the log calls a device. */
export const deviceId = sha256.meta({
  id: "DeviceId",
  description: "Names a device in a domain's log; the machine GUID cannot be had from it.",
});
const operator = z.string().meta({
  id: "OperatorIdentity",
  description:
    "The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum.",
  examples: ["admin-token"],
});
const revision = z
  .int()
  .min(1)
  .meta({ id: "Revision", description: "The change counter: each commit raises it by one." });
/** Where a list goes on. */
export const nextCursor = z
  .string()
  .nullable()
  .meta({ id: "NextCursor", description: "The `cursor` of the next page; null after the last." });

const domainRow = {
  domain: domainName,
  ...rules,
  maxMembership,
  ...keyRules,
  keyVersion: anyKeyVersion,
  keyRolloverRequired: z.boolean().meta({
    description: "Whether a new key has to be made: by the first registration after `rolloverIntervalSeconds`.",
  }),
  retiredUpTo: anyKeyVersion.meta({
    description: "Keys up to this version are not handed out any more; 0 for none.",
  }),
  memberCount: z.int().min(0).meta({ description: "How many devices are members." }),
  revision,
  createdAt: time,
  updatedAt: time,
};

/** A domain as its operator sees it. */
export const overviewResponse = z
  .object({
    ...domainRow,
    database: z.string().meta({ description: "The database that has the copy of the domain, by its binding." }),
    copiedRevision: z.int().min(0).meta({ description: "The revision that the database has: lists show it." }),
    copySecondsBehind: z
      .int()
      .min(0)
      .meta({ description: "How long the database has lacked changes; 0 if it lacks none." }),
  })
  .meta({ id: "DomainOverview", description: "A domain as its operator sees it." });

/** Domains, as the database has them. */
export const domainsResponse = z
  .object({ domains: z.array(z.object(domainRow).meta({ id: "DomainRow" })).max(MAX_PAGE_ROWS), nextCursor })
  .meta({ id: "DomainPage" });

/** Key versions. */
export const keyVersionsResponse = z
  .object({
    keys: z
      .array(z.object({ keyVersion, kid: domainKeyId, createdAt: time }).meta({ id: "KeyVersionRow" }))
      .max(MAX_PAGE_ROWS),
    nextCursor,
  })
  .meta({ id: "KeyVersionPage" });

const keyEncryption = {
  currentKid: z.string().meta({ description: "The key-encryption key that wraps from now on: the first." }),
  kids: z
    .array(z.object({ kid: z.string(), domainKeys: z.int().min(1) }).meta({ id: "KeyEncryptionUse" }))
    .meta({ description: "How many domain keys each key-encryption key wraps." }),
  done: z.boolean().meta({ description: "Whether the first wraps all, so that the others may go." }),
};

/** The caller of an operator's request. */
export const operatorResponse = z
  .object({
    identity: z.string().meta({
      description: "`admin-token`; or the issuer and the `sub` of a token; or whom Cloudflare Access let through.",
    }),
    scopes: z.array(z.enum(SCOPES)).meta({ description: "The scopes of the credential." }),
    authNamespaces: z.array(z.string()).meta({
      description:
        "The auth namespaces that tokens of the trusted issuers may have: names, or prefixes that end in `*`. No other `authNamespace` of a domain lets a device in.",
    }),
  })
  .meta({ id: "Operator" });

/** How far it is that the first key-encryption key wraps all domain keys. */
export const keyEncryptionResponse = z.object(keyEncryption).meta({ id: "KeyEncryption" });

/** The result of wrapping keys anew. */
export const rewrapResponse = z
  .object({
    rewrapped: z.int().min(0).meta({ description: "How many keys were wrapped anew." }),
    locked: z.int().min(0).meta({ description: "How many keys were found that do not open; the log says which." }),
    ...keyEncryption,
  })
  .meta({ id: "RewrapRun" });

/** How requests name a device. */
export const handle = z.string().min(1).meta({
  id: "DeviceHandle",
  description: "Names the device in requests to this domain's lists; opaque, and another each time.",
});
const shortGuid = z
  .string()
  .regex(/^[0-9a-f]{8}…$/)
  .meta({ description: "The beginning of the machine GUID: the whole of it is the device's secret." });

/** The name of a device. */
export const nameOfDevice = z.string().nullable().meta({
  description:
    "The name that its owner or the device itself gave it. Null without a name, or if its key-encryption key is gone.",
});

/** A member as operators see it. */
const member = z
  .object({
    handle,
    deviceId,
    machineGuid: shortGuid,
    joinedAt: time,
    hasDeviceKey: z.boolean().meta({ description: "Whether the membership is bound to a key of the device's own." }),
    lastRenewedOn: day.meta({ description: "The day it last joined or renewed." }),
    name: nameOfDevice,
  })
  .meta({ id: "Member" });

/** Members. */
export const membersResponse = z
  .object({ members: z.array(member).max(MAX_PAGE_ROWS), nextCursor })
  .meta({ id: "MemberPage" });

/** One member. */
export const memberResponse = member
  .extend({
    machineGuid: z.union([machineGuid, shortGuid]).meta({
      description: "The whole GUID if the request named the device by it, otherwise its beginning.",
    }),
  })
  .meta({ id: "FoundMember" });

/** Members of a full domain, for those who may remove one. */
export const fullDomain = {
  memberCount: z
    .int()
    .min(0)
    .optional()
    .meta({ description: "Shown only to operators with the scope `domains:read`." }),
  leastRecentlyRenewed: z.array(member).max(5).optional().meta({
    description:
      "The members that have not renewed for longest. Shown only to operators with the scope `domains:read`.",
  }),
};

const copied = z
  .boolean()
  .meta({ description: "Whether the database has the change, and lists across domains show it; else it follows." });

/** A member is evicted. */
export const evictionResponse = z
  .object({ domain: domainName, evicted: z.literal(true), copied })
  .meta({ id: "Eviction" });

const ban = z
  .object({
    handle,
    deviceId,
    machineGuid: shortGuid,
    hasDeviceKey: z.boolean().meta({ description: "Whether a device key is banned with it." }),
    reason: z.string(),
    bannedAt: time,
    bannedBy: operator,
  })
  .meta({ id: "Ban" });

/** A ban that an operator put. */
export const banResponse = ban.extend({ copied }).meta({ id: "NewBan" });

/** Bans. */
export const bansResponse = z.object({ bans: z.array(ban).max(MAX_PAGE_ROWS), nextCursor }).meta({ id: "BanPage" });

/** A ban is lifted. */
export const unbanResponse = z
  .object({ domain: domainName, banned: z.literal(false), copied })
  .meta({ id: "LiftedBan" });

/** A domain is deleted. */
export const deletionResponse = z
  .object({ domain: domainName, deleted: z.literal(true), copied })
  .meta({ id: "Deletion" });

/** Deletions. */
export const deletionsResponse = z
  .object({
    deletions: z
      .array(
        z
          .object({
            domain: domainName,
            keyVersion: anyKeyVersion.meta({
              description: "Its highest key version; 0 if it had no key. A later domain of that name goes on above it.",
            }),
            memberCount: z.int().min(0).meta({ description: "How many members it had." }),
            deletedAt: time,
            deletedBy: operator,
          })
          .meta({ id: "DeletedDomain" }),
      )
      .max(MAX_PAGE_ROWS),
    nextCursor,
  })
  .meta({ id: "DeletionPage" });

/** Idle domains were deleted, or would be. */
export const idleDomainsResponse = z
  .object({
    dryRun: z.boolean().meta({ description: "Whether nothing was changed." }),
    domains: z.array(domainName).meta({ description: "The domains that were deleted, or would be." }),
    nextCursor: nextCursor.meta({
      description:
        "The `cursor` of the next request; null after the last. There may be more domains even if none is named.",
    }),
  })
  .meta({ id: "IdleDomainPage" });

const settings = z
  .object({
    ...rules,
    maxMembership,
    ...keyRules,
    rolloverIntervalSeconds: keyRules.rolloverIntervalSeconds.nullable().meta({
      description: "The shortest time between two rollovers after leaves, in seconds; null for the server's default.",
    }),
  })
  .meta({ id: "SettingsInForce" });
const thumbprint = z.string().nullable().meta({
  id: "DeviceKeyThumbprint",
  description: "The device key's thumbprint (RFC 7638); null without one.",
});
const byDevice = { requestId: z.string(), deviceId };
const byOperator = { requestId: z.string(), by: operator };

/** Members of each change in the log, besides its type. */
const CHANGES: Readonly<Record<DomainEvent["type"], z.ZodRawShape>> = {
  "domain-created": {
    keyVersion: keyVersion.optional().meta({
      description: "The highest key version of a deleted domain of that name. Absent if there was none.",
    }),
  },
  "device-joined": { ...byDevice, deviceKeyThumbprint: thumbprint },
  "device-key-bound": { ...byDevice, deviceKeyThumbprint: thumbprint },
  "device-named": { ...byDevice, by: operator.optional() },
  "device-left": byDevice,
  "request-used": byDevice,
  "device-evicted": { ...byOperator, deviceId },
  "device-banned": { ...byOperator, deviceId, deviceKeyThumbprint: thumbprint, reason: z.string() },
  "device-unbanned": { ...byOperator, deviceId },
  "rollover-required": byOperator,
  "key-made": { keyVersion, kid: sha256, requestId: z.string().optional(), by: operator.optional() },
  "keys-retired": {
    ...byOperator,
    upTo: anyKeyVersion.meta({ description: "The highest retired key version from now on; 0 for none." }),
    previous: anyKeyVersion.meta({ description: "The highest retired key version before; 0 for none." }),
  },
  "keys-rewrapped": { keyEncryptionKid: z.string(), keys: z.int().min(1) },
  "names-resealed": { keyEncryptionKid: z.string(), names: z.int().min(1) },
  "domain-taken-over": {
    settings,
    keyVersion: z.int().min(0),
    retiredUpTo: z.int().min(0),
    memberCount: z.int().min(0),
  },
  "settings-changed": { ...byOperator, settings, previous: settings },
};

type Change = z.ZodObject<{ type: z.ZodLiteral<string> }>;

const changes = Object.entries(CHANGES).map(([type, members]) =>
  z.object({ type: z.literal(type), ...members }).meta({ id: `${pascalCase(type)}Change` }),
) as unknown as [Change, ...Change[]];

const entry = z
  .object({
    domain: domainName,
    revision,
    committedAt: time,
    previous: hash.nullable().meta({ description: "The hash of the entry before; null for the first." }),
    changes: z.array(z.discriminatedUnion("type", changes).meta({ id: "LogChange" })).min(1),
    hash: hash.meta({ description: "This entry's hash." }),
  })
  .meta({ id: "LogEntry", description: "One commit." });

const checkpoint = z
  .object({
    revision,
    statement: compactJws.meta({
      description: "Signed by this server: where the log was cut, and what the domain was.",
    }),
  })
  .meta({ id: "LogCheckpoint", description: "Where the log was cut." });

/** Log entries. */
export const logResponse = z.object({ entries: z.array(entry).max(MAX_PAGE_ROWS), nextCursor }).meta({ id: "LogPage" });

/** A line of an exported log. */
export const logLine = z
  .union([entry, z.object({ checkpoint }).meta({ id: "CheckpointLine" })])
  .meta({ id: "LogLine" });

/** A line of what an audit compares with the log. */
export const auditLine = z
  .union([
    z.object({ member: z.object({ deviceId, deviceKeyThumbprint: sha256.nullable() }) }).meta({ id: "AuditedMember" }),
    z
      .object({ ban: z.object({ deviceId, deviceKeyThumbprint: sha256.nullable(), reason: z.string() }) })
      .meta({ id: "AuditedBan" }),
    z.object({ key: z.object({ keyVersion, kid: sha256 }) }).meta({ id: "AuditedKey" }),
    z.object({ forgedEntry: z.object({ revision }) }).meta({
      id: "ForgedEntry",
      description: "An entry of the log that this server did not write: its MAC is not the domain's.",
    }),
    z.object({ differingTable: z.object({ name: z.string() }) }).meta({
      id: "DifferingTable",
      description: "A table in which the database differs from the domain.",
    }),
    z.object({ complete: z.object({ revision }) }).meta({
      id: "AuditEnd",
      description: "The last line: all were sent, of the domain as of this revision or later.",
    }),
  ])
  .meta({ id: "AuditLine" });

/** The head of a log. */
export const logHeadResponse = z
  .object({
    domain: domainName,
    revision,
    hash: hash.meta({ description: "The newest entry's hash." }),
    committedAt: time.meta({ description: "When the newest entry was written." }),
    checkpoint: checkpoint.nullable().meta({ description: "Where the log was cut; null if it is whole." }),
    statement: compactJws.nullable().meta({
      description: "Signed by this server: `typ: domain-log-head+jwt`, claims `iss`, `sub`, `revision`, `hash`, `iat`.",
    }),
  })
  .meta({ id: "LogHead" });

/** The activity in a domain. */
export const activityResponse = z
  .object({
    domain: domainName,
    complete: z.boolean().meta({
      description: "Whether all of these days and refusals are here: those of a busy domain go less far back.",
    }),
    days: z.array(z.object({ day, joined: z.int().min(0), left: z.int().min(0) }).meta({ id: "DayOfActivity" })),
    refusals: z
      .array(
        z
          .object({
            hour: time,
            error: z.enum(Object.keys(PROBLEMS) as [ErrorName, ...ErrorName[]]),
            count: z.int().min(1),
          })
          .meta({ id: "HourOfRefusals" }),
      )
      .meta({ description: "How often each error refused a request, hour by hour." }),
  })
  .meta({ id: "Activity" });

function pascalCase(words: string): string {
  return words
    .split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}
