import * as z from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import type { Scope } from "../server/auth/scopes.ts";
import {
  activityResponse,
  auditLine,
  banResponse,
  bansResponse,
  deletionResponse,
  deletionsResponse,
  domainsResponse,
  evictionResponse,
  idleDomainsResponse,
  keyEncryptionResponse,
  keyVersionsResponse,
  logHeadResponse,
  logLine,
  logResponse,
  memberResponse,
  membersResponse,
  operatorResponse,
  overviewResponse,
  rewrapResponse,
  unbanResponse,
} from "./admin-responses.ts";
import { content, jsonAnswer, jsonRequest } from "./contents.ts";
import { ADMIN_ANSWER, REQUEST } from "./examples.ts";
import { headers } from "./headers.ts";
import { problemResponses } from "./problem-responses.ts";
import {
  activityParameters,
  ban,
  deletionParameters,
  domainsParameters,
  exportParameters,
  idleDomains,
  logParameters,
  pageParameters,
  retiredKeys,
  rollover,
  settings,
  settingsMerge,
} from "./requests.ts";
import { deviceName, domainName, memberName } from "./values.ts";

const inDomain = z.object({ domain: domainName });
const creation = z.object({
  "if-none-match": z.string().optional().meta({ description: "`*` to create the domain only.", example: "*" }),
});
const onDevice = inDomain.extend({ device: deviceName });
const onMember = inDomain.extend({ device: memberName });

/** Any one of the operators' credentials, as long as it reaches this far. */
export const needs = (...scopes: readonly Scope[]) =>
  ["adminToken", "operatorToken", "accessAssertion"].map((scheme) => ({ [scheme]: [...scopes] }));

/** The problems of all operations of operators. */
export const guarded = [
  "ADMIN_AUTHENTICATION_REQUIRED",
  "ADMIN_SCOPE_REQUIRED",
  "INVALID_REQUEST",
  "METHOD_NOT_ALLOWED",
  "INTERNAL_ERROR",
  "OVERLOADED",
  "TEMPORARILY_UNAVAILABLE",
] as const;
const problemsOfAll = problemResponses(...guarded);
const problemsOfService = problemResponses(...guarded.filter((name) => name !== "INVALID_REQUEST"));
const problemsOfDomain = problemResponses(...guarded, "DOMAIN_NOT_FOUND");
const problemsOfDevice = problemResponses(...guarded, "DOMAIN_NOT_FOUND", "NOT_FOUND");
const problemsOfBody = problemResponses(...guarded, "BODY_TOO_LARGE", "WRONG_MEDIA_TYPE");
const problemsOfReplacement = problemResponses(...guarded, "DOMAIN_EXISTS", "BODY_TOO_LARGE", "WRONG_MEDIA_TYPE");
const problemsOfChange = problemResponses(...guarded, "DOMAIN_NOT_FOUND", "BODY_TOO_LARGE", "WRONG_MEDIA_TYPE");
const problemsOfBan = problemResponses(
  ...guarded,
  "DOMAIN_NOT_FOUND",
  "NOT_FOUND",
  "BODY_TOO_LARGE",
  "WRONG_MEDIA_TYPE",
);

const overview = (description: string) =>
  jsonAnswer(description, overviewResponse, { overview: ADMIN_ANSWER.overview });

/** Operations of operators. */
export const adminOperations: ZodOpenApiPathsObject = {
  "/admin/domains": {
    get: {
      operationId: "listDomains",
      tags: ["Domains"],
      summary: "Domains, by name",
      security: needs("domains:read"),
      requestParams: { query: domainsParameters },
      responses: {
        200: jsonAnswer("A page of them.", domainsResponse, { domains: ADMIN_ANSWER.domains }),
        ...problemsOfAll,
      },
    },
  },
  "/admin/domains/{domain}": {
    get: {
      operationId: "getDomainOverview",
      tags: ["Domains"],
      summary: "A domain's settings and counters",
      security: needs("domains:read"),
      requestParams: { path: inDomain },
      responses: { 200: overview("The domain."), ...problemsOfDomain },
    },
    put: {
      operationId: "replaceSettings",
      tags: ["Domains"],
      summary: "Create a domain, or replace its settings",
      description:
        "What is left out takes its default. A maximum below the present count evicts nobody. With `If-None-Match: *` a domain that exists is left as it is.",
      security: needs("domains:write"),
      requestParams: { path: inDomain, header: creation },
      requestBody: jsonRequest(settings, { settings: REQUEST.settings }),
      responses: {
        200: overview("The settings are replaced."),
        201: overview("The domain is created."),
        ...problemsOfReplacement,
      },
    },
    patch: {
      operationId: "changeSettings",
      tags: ["Domains"],
      summary: "Change some of a domain's settings",
      description: "A JSON merge patch (RFC 7396): null takes a setting back to its default.",
      security: needs("domains:write"),
      requestParams: { path: inDomain },
      requestBody: jsonRequest(settingsMerge, { change: REQUEST.settingsChange }, [
        "application/merge-patch+json",
        "application/json",
      ]),
      responses: { 200: overview("The settings are changed."), ...problemsOfChange },
    },
    delete: {
      operationId: "deleteDomain",
      tags: ["Domains"],
      summary: "Delete a domain",
      description:
        "Its members, keys, bans and log are erased. The next registration, or `PUT`, makes a new domain of that name: its first key is one version above the highest of the deleted one.",
      security: needs("domains:write"),
      requestParams: { path: inDomain, query: deletionParameters },
      responses: {
        200: jsonAnswer("The domain is deleted.", deletionResponse, { deleted: ADMIN_ANSWER.deleted }),
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/delete-idle": {
    post: {
      operationId: "deleteIdleDomains",
      tags: ["Service"],
      summary: "Delete the domains that nobody uses",
      description:
        "Goes through the domains by name, a page at a time. The first page answers with the cursor of the second. A domain that could not be asked is left out, and logged: ask again later.",
      security: needs("domains:write"),
      requestBody: jsonRequest(idleDomains, { idle: REQUEST.idleDomains }),
      responses: {
        200: jsonAnswer("The domains that were deleted, or would be.", idleDomainsResponse, {
          idle: ADMIN_ANSWER.idleDomains,
        }),
        ...problemsOfBody,
      },
    },
  },
  "/admin/deletions": {
    get: {
      operationId: "listDeletions",
      tags: ["Service"],
      summary: "Domains that were deleted, by name",
      description: "The last deletion of each name, also if there is a domain of that name again.",
      security: needs("domains:write"),
      requestParams: { query: pageParameters },
      responses: {
        200: jsonAnswer("A page of them.", deletionsResponse, { deletions: ADMIN_ANSWER.deletions }),
        ...problemsOfAll,
      },
    },
  },
  "/admin/domains/{domain}/rollover": {
    post: {
      operationId: "rollOver",
      tags: ["Domains"],
      summary: "Have a new domain key made",
      security: needs("domains:write"),
      requestParams: { path: inDomain },
      requestBody: jsonRequest(rollover, { now: REQUEST.rolloverNow, later: REQUEST.rolloverNext }),
      responses: { 200: overview("The key is made, or the rollover is due."), ...problemsOfChange },
    },
  },
  "/admin/domains/{domain}/copy": {
    post: {
      operationId: "copyDomain",
      tags: ["Domains"],
      summary: "Write what the database lacks of a domain",
      description:
        "Compares the two, and answers when the database has everything. Every change gets there by itself within a moment, and a comparison is made once a week: ask for one after the database was restored.",
      security: needs("domains:write"),
      requestParams: { path: inDomain },
      responses: { 200: overview("The database has all of the domain."), ...problemsOfDomain },
    },
  },
  "/admin/domains/{domain}/retired-keys": {
    put: {
      operationId: "retireKeys",
      tags: ["Domains"],
      summary: "Stop handing out old keys, or hand them out again",
      description:
        "Retired keys are kept, but no device gets them. A lower `upTo` brings them back; `olderThanDays` never does. The newest key cannot be retired.",
      security: needs("domains:write"),
      requestParams: { path: inDomain },
      requestBody: jsonRequest(retiredKeys, { none: REQUEST.retiredKeys, byAge: REQUEST.retiredByAge }),
      responses: { 200: overview("`retiredUpTo` says which keys are retired."), ...problemsOfChange },
    },
  },
  "/admin/domains/{domain}/key-versions": {
    get: {
      operationId: "listKeyVersions",
      tags: ["Domains"],
      summary: "A domain's key versions, newest first",
      description: "The keys themselves are public: `GET /domains/{domain}/keys`.",
      security: needs("domains:read"),
      requestParams: { path: inDomain, query: pageParameters },
      responses: {
        200: jsonAnswer("A page of them.", keyVersionsResponse, { keys: ADMIN_ANSWER.keyVersions }),
        ...problemsOfDomain,
      },
    },
  },
  "/admin/operator": {
    get: {
      operationId: "getOperator",
      tags: ["Service"],
      summary: "Who asks, with which scopes, and the auth namespaces there are",
      description: "For any operator, whatever the scopes.",
      security: needs(),
      responses: {
        200: jsonAnswer("The caller.", operatorResponse, { adminToken: ADMIN_ANSWER.operator }),
        ...problemResponses(...guarded.filter((name) => !["ADMIN_SCOPE_REQUIRED", "INVALID_REQUEST"].includes(name))),
      },
    },
  },
  "/admin/key-encryption": {
    get: {
      operationId: "getKeyEncryption",
      tags: ["Service"],
      summary: "Which key-encryption keys wrap the domain keys",
      security: needs("domains:read"),
      responses: {
        200: jsonAnswer("Which keys are in use, and whether re-wrapping is done.", keyEncryptionResponse, {
          underWay: ADMIN_ANSWER.keyEncryption,
        }),
        ...problemsOfService,
      },
    },
  },
  "/admin/key-encryption/rewrap": {
    post: {
      operationId: "rewrapKeys",
      tags: ["Service"],
      summary: "Wrap domain keys with the first key-encryption key",
      description:
        "Wraps the keys of up to 200 domains, which takes seconds. Repeat until `done` is true. An hourly job wraps the rest.",
      security: needs("domains:write"),
      responses: {
        200: jsonAnswer("What was done.", rewrapResponse, { finished: ADMIN_ANSWER.rewrap }),
        ...problemsOfService,
      },
    },
  },
  "/admin/metrics": {
    get: {
      operationId: "getMetrics",
      tags: ["Service"],
      summary: "Metrics of all domains together, for Prometheus and what reads the same",
      description: "OpenMetrics 1.0. No machine GUID and no name of a domain or a device is among them.",
      security: needs("metrics:read"),
      responses: {
        200: {
          description: "One family after another.",
          headers: headers(),
          content: { "application/openmetrics-text": content(z.string(), { joins: ADMIN_ANSWER.metrics }) },
        },
        ...problemsOfService,
      },
    },
  },
  "/admin/domains/{domain}/members": {
    get: {
      operationId: "listMembers",
      tags: ["Members"],
      summary: "A domain's members, in arbitrary order",
      security: needs("domains:read"),
      requestParams: { path: inDomain, query: pageParameters },
      responses: {
        200: jsonAnswer("A page of them.", membersResponse, { members: ADMIN_ANSWER.members }),
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/{domain}/members/{device}": {
    get: {
      operationId: "getMember",
      tags: ["Members"],
      summary: "One member",
      security: needs("domains:read"),
      requestParams: { path: onMember },
      responses: {
        200: jsonAnswer("The member.", memberResponse, {
          byHandle: ADMIN_ANSWER.member,
          byGuid: ADMIN_ANSWER.wholeMember,
        }),
        ...problemsOfDevice,
      },
    },
    delete: {
      operationId: "evictMember",
      tags: ["Members"],
      summary: "Evict a member",
      description: "Makes a rollover due at once. The device may join again: to keep it out, ban it.",
      security: needs("domains:evict"),
      requestParams: { path: onDevice },
      responses: {
        200: jsonAnswer("The device is no longer a member.", evictionResponse, { evicted: ADMIN_ANSWER.evicted }),
        ...problemsOfDevice,
      },
    },
  },
  "/admin/domains/{domain}/bans": {
    get: {
      operationId: "listBans",
      tags: ["Members"],
      summary: "The devices that are kept out of a domain",
      security: needs("domains:read"),
      requestParams: { path: inDomain, query: pageParameters },
      responses: {
        200: jsonAnswer("A page of them.", bansResponse, { bans: ADMIN_ANSWER.bans }),
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/{domain}/bans/{device}": {
    put: {
      operationId: "banDevice",
      tags: ["Members"],
      summary: "Keep a device out of a domain",
      description:
        "Evicts it if it is a member, and bans its device key with it. A rollover is then due at once. A new reason replaces the one before.",
      security: needs("domains:evict"),
      requestParams: { path: onDevice },
      requestBody: jsonRequest(ban, { ban: REQUEST.ban }),
      responses: {
        200: jsonAnswer("The device was banned already.", banResponse, { ban: ADMIN_ANSWER.ban }),
        201: jsonAnswer("The device is banned.", banResponse, { ban: ADMIN_ANSWER.ban }),
        ...problemsOfBan,
      },
    },
    delete: {
      operationId: "liftBan",
      tags: ["Members"],
      summary: "Let a banned device come back",
      security: needs("domains:evict"),
      requestParams: { path: onDevice },
      responses: {
        200: jsonAnswer("The device is banned no more.", unbanResponse, { lifted: ADMIN_ANSWER.unbanned }),
        ...problemsOfDevice,
      },
    },
  },
  "/admin/domains/{domain}/log": {
    get: {
      operationId: "getLog",
      tags: ["Log"],
      summary: "What happened in a domain",
      description: "One entry for each commit; each holds the hash of the one before.",
      security: needs("domains:read"),
      requestParams: { path: inDomain, query: logParameters },
      responses: {
        200: jsonAnswer("A page of entries.", logResponse, { entries: ADMIN_ANSWER.log }),
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/{domain}/log/head": {
    get: {
      operationId: "getLogHead",
      tags: ["Log"],
      summary: "The signed head of a domain's log",
      security: needs("domains:read"),
      requestParams: { path: inDomain },
      responses: {
        200: jsonAnswer("The newest entry's revision and hash.", logHeadResponse, { head: ADMIN_ANSWER.logHead }),
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/{domain}/audit": {
    get: {
      operationId: "auditDomain",
      tags: ["Log"],
      summary: "What a domain's log has to lead to, as JSON Lines",
      description: "Members, bans and keys; entries without this domain's MAC; tables in which the database differs.",
      security: needs("domains:read"),
      requestParams: { path: inDomain },
      responses: {
        200: {
          description: "One JSON object to a line, each as the schema has it.",
          headers: headers(),
          content: { "application/jsonl": content(auditLine, { member: ADMIN_ANSWER.auditedMember }) },
        },
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/{domain}/log/export": {
    get: {
      operationId: "exportLog",
      tags: ["Log"],
      summary: "A domain's whole log as JSON Lines, oldest entry first",
      description: "Where the log was cut, the first line is its checkpoint.",
      security: needs("domains:read"),
      requestParams: { path: inDomain, query: exportParameters },
      responses: {
        200: {
          description: "One JSON object to a line, each as the schema has it.",
          headers: headers(),
          content: {
            "application/jsonl": content(logLine, {
              entry: ADMIN_ANSWER.entry,
              checkpoint: ADMIN_ANSWER.checkpointLine,
            }),
          },
        },
        ...problemsOfDomain,
      },
    },
  },
  "/admin/domains/{domain}/activity": {
    get: {
      operationId: "getActivity",
      tags: ["Log"],
      summary: "How many devices came, left and were refused",
      security: needs("domains:read"),
      requestParams: { path: inDomain, query: activityParameters },
      responses: {
        200: jsonAnswer("The counts.", activityResponse, { activity: ADMIN_ANSWER.activity }),
        ...problemsOfDomain,
      },
    },
  },
};
