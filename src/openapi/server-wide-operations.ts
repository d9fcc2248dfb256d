import * as z from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { MAX_PAGE_ROWS } from "../protocol/limits.ts";
import { PROBLEMS } from "../server/http/problems.ts";
import { guarded, needs } from "./admin-operations.ts";
import { banResponse, bansResponse, memberResponse } from "./admin-responses.ts";
import { jsonAnswer, jsonRequest } from "./contents.ts";
import { ADMIN_ANSWER, REQUEST } from "./examples.ts";
import { problemResponses } from "./problem-responses.ts";
import { ban, pageParameters } from "./requests.ts";
import { domainName, machineGuid as wholeGuid } from "./values.ts";

// Devices across domains: where they are members, and which are banned server-wide.

const { machineGuid, hasDeviceKey, reason, bannedAt, bannedBy } = banResponse.shape;
const { nextCursor } = bansResponse.shape;
const { joinedAt } = memberResponse.shape;
const handle = z.string().min(1).meta({
  id: "ServerWideHandle",
  description: "Names the device in requests of operators, about any domain or all; opaque, and another each time.",
});

const terms = { hasDeviceKey, reason, bannedAt, bannedBy };
const serverWideBan = z.object({ handle, machineGuid, ...terms }).meta({ id: "ServerWideBan" });

const domains = z.array(domainName);
const failed = z
  .array(
    z
      .object({ domain: domainName, error: z.enum(Object.keys(PROBLEMS) as [string, ...string[]]) })
      .meta({ id: "FailedDomain" }),
  )
  .meta({ description: "The domains that failed, and the error of each. Repeat the request." });
const more = z
  .boolean()
  .meta({ description: "Whether there are more domains than one request reaches: repeat the request for the rest." });

export const deviceResponse = z
  .object({
    handle,
    machineGuid,
    ban: z.object(terms).nullable().meta({ description: "The device's server-wide ban; null if it has none." }),
    domains: z
      .array(
        z
          .object({
            domain: domainName,
            joinedAt,
            hasDeviceKey: hasDeviceKey.meta({ description: "Whether the membership is bound to a device key." }),
          })
          .meta({ id: "DomainOfDevice" }),
      )
      .max(MAX_PAGE_ROWS)
      .meta({ description: "A page of the domains it is a member of, by name, as the database has them." }),
    nextCursor,
  })
  .meta({ id: "Device" });

export const evictionsResponse = z
  .object({
    evicted: domains.meta({ description: "The domains that it is no longer a member of." }),
    failed,
    more,
  })
  .meta({ id: "ServerWideEviction" });

export const newServerWideBanResponse = serverWideBan
  .extend({
    domains: z
      .object({ banned: domains.meta({ description: "The domains that evicted and banned it." }), failed, more })
      .meta({ id: "DomainsOfBan" }),
  })
  .meta({ id: "NewServerWideBan" });

export const liftedServerWideBanResponse = z
  .object({
    handle,
    machineGuid,
    banned: z.literal(false),
    domains: z
      .object({ lifted: domains.meta({ description: "The domains that lifted their bans." }), failed, more })
      .meta({ id: "DomainsOfLiftedBan" }),
  })
  .meta({ id: "LiftedServerWideBan" });

export const serverWideBansResponse = z
  .object({ bans: z.array(serverWideBan).max(MAX_PAGE_ROWS), nextCursor })
  .meta({ id: "ServerWideBanPage" });

const { deviceId: _, copied: __, ...BAN } = ADMIN_ANSWER.ban;
const { handle: HANDLE, machineGuid: SHORT_GUID, ...TERMS } = BAN;
const DEVICE = { handle: HANDLE, machineGuid: SHORT_GUID };
const { domain: DOMAIN } = ADMIN_ANSWER.evicted;

const onDevice = z.object({
  device: z.string().meta({
    description: "The whole machine GUID, in either case, or a `handle` of the device from any list.",
    examples: wholeGuid.meta()?.examples as string[],
  }),
});

const problems = problemResponses(...guarded);
const problemsOfBan = problemResponses(...guarded, "BODY_TOO_LARGE", "WRONG_MEDIA_TYPE");
const problemsOfLift = problemResponses(...guarded, "NOT_FOUND");

/** Operations of operators on a device in all domains. */
export const serverWideOperations: ZodOpenApiPathsObject = {
  "/admin/devices/{device}": {
    get: {
      operationId: "getDevice",
      tags: ["Service"],
      summary: "A device's domains, and its server-wide ban",
      security: needs("domains:read"),
      requestParams: { path: onDevice, query: pageParameters },
      responses: {
        200: jsonAnswer("A page of them; none if nobody knows the device.", deviceResponse, {
          device: {
            ...DEVICE,
            ban: null,
            domains: [{ domain: DOMAIN, joinedAt: ADMIN_ANSWER.member.joinedAt, hasDeviceKey: true }],
            nextCursor: null,
          },
        }),
        ...problems,
      },
    },
  },
  "/admin/devices/{device}/domains": {
    delete: {
      operationId: "evictDeviceEverywhere",
      tags: ["Service"],
      summary: "Evict a device from all its domains",
      description:
        "Evicts the device from up to 100 domains per request. A domain is known here a moment after the device joined it. A rollover is then due in each at once. The device may join again: to keep it out, ban it.",
      security: needs("domains:evict"),
      requestParams: { path: onDevice },
      responses: {
        200: jsonAnswer("Where it was evicted.", evictionsResponse, {
          evicted: { evicted: [DOMAIN], failed: [{ domain: "attic", error: "OVERLOADED" }], more: false },
        }),
        ...problems,
      },
    },
  },
  "/admin/devices/{device}/ban": {
    put: {
      operationId: "banDeviceEverywhere",
      tags: ["Service"],
      summary: "Ban a device server-wide",
      description:
        "Keeps it out of all domains, now and later, under any machine GUID that has one of its device keys. It can still leave. The ban is known everywhere within a minute. It also evicts and bans the device in the domains that the database knows, 100 with each request; there it holds at once. A new reason replaces the one before. At most 10,000 devices may be banned.",
      security: needs("domains:evict"),
      requestParams: { path: onDevice },
      requestBody: jsonRequest(ban, { ban: REQUEST.ban }),
      responses: {
        200: jsonAnswer("The device was banned already.", newServerWideBanResponse, {
          ban: { ...BAN, domains: { banned: [], failed: [], more: false } },
        }),
        201: jsonAnswer("The device is banned.", newServerWideBanResponse, {
          ban: { ...BAN, domains: { banned: [DOMAIN], failed: [], more: false } },
        }),
        ...problemsOfBan,
      },
    },
    delete: {
      operationId: "liftBanEverywhere",
      tags: ["Service"],
      summary: "Lift a server-wide ban",
      description:
        "Also lifts the bans in the domains that banned the device because of it, 100 with each request. Bans that operators put in single domains remain. It is known everywhere within a minute.",
      security: needs("domains:evict"),
      requestParams: { path: onDevice },
      responses: {
        200: jsonAnswer("The device is banned server-wide no more.", liftedServerWideBanResponse, {
          lifted: { ...DEVICE, banned: false, domains: { lifted: [DOMAIN], failed: [], more: false } },
        }),
        ...problemsOfLift,
      },
    },
  },
  "/admin/device-bans": {
    get: {
      operationId: "listServerWideBans",
      tags: ["Service"],
      summary: "The devices that are banned server-wide",
      security: needs("domains:read"),
      requestParams: { query: pageParameters },
      responses: {
        200: jsonAnswer("A page of them.", serverWideBansResponse, {
          bans: { bans: [{ ...DEVICE, ...TERMS }], nextCursor: null },
        }),
        ...problems,
      },
    },
  },
};
