import * as z from "zod";
import type {} from "zod-openapi";
import {
  activityQuery,
  banBody,
  deregisterBody,
  domainsQuery,
  exportQuery,
  logQuery,
  pageQuery,
  registerBody,
  retiredKeysBody,
  rolloverBody,
  settingsBody,
  settingsMergeBody,
} from "../server/http/schemas.ts";

/**
 * One of the Worker's own schemas, with a description of each member: what the document says of a request is what the
 * Worker checks.
 */
function described<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  descriptions: { readonly [Name in keyof Shape]: string },
) {
  const members = Object.entries(schema.shape as z.core.$ZodLooseShape).map(([name, member]) => [
    name,
    (member as z.ZodType).meta({ description: descriptions[name as keyof Shape] }),
  ]);
  return z.strictObject(Object.fromEntries(members) as Shape);
}

/** The body of a registration. */
export const registration = described(registerBody, {
  machineGuid: "The device's machine GUID: a UUID (RFC 9562), neither nil nor max, in either case.",
  afterKeyVersion: "Leaves out the credentials that the device holds already: those up to this key version.",
  credentials: "Whether to answer with the newest credential alone, or with all, up to the newest 100.",
  encryptionKey: "A public key of the device's: no private key is readable in the answer, all are sealed to this one.",
}).meta({ id: "Registration" });

/** The body of a de-registration. */
export const deregistration = described(deregisterBody, {
  machineGuid: "The machine GUID of the device that leaves: a UUID (RFC 9562), in either case.",
  preview: "Whether to say what would happen, and change nothing.",
}).meta({ id: "Deregistration" });

const SETTINGS = {
  authenticationRequired: "Whether registrations and de-registrations need an auth token. By default, no.",
  authNamespace:
    "The one auth namespace whose tokens count; null for those of every trusted issuer. Needs `authenticationRequired`.",
  maxMembership: "How many devices may be members at once; null, the default, for no maximum.",
  deviceKeyRequired: "Whether devices must sign every request with a key of their own. By default, no.",
  rolloverIntervalSeconds:
    "The least time between rollovers that leaves bring about. Until then, a device that left can open what is encrypted. By default, that of the server, which is 0 unless set.",
  retireAfterDays: "Keys are retired so many days after their successor was made; null, the default, for never.",
};

/** The body that replaces a domain's settings. */
export const settings = described(settingsBody, SETTINGS).meta({ id: "Settings" });

/** The body that changes some of a domain's settings. */
export const settingsMerge = described(settingsMergeBody, SETTINGS).meta({ id: "SettingsPatch" });

/** The body of a rollover. */
export const rollover = described(rolloverBody, {
  when: "Whether the new key is made at once, or by the next registration.",
}).meta({ id: "Rollover" });

/** The body of a retirement of keys. */
export const retiredKeys = described(retiredKeysBody, {
  upTo: "The highest key version that is not handed out any more, below the newest; 0 to hand out all.",
  olderThanDays: "Instead: retires the keys whose successor was made at least so many days ago.",
}).meta({ id: "RetiredKeys" });

/** The body of a ban. */
export const ban = described(banBody, { reason: "Why, for operators to read." }).meta({ id: "BanRequest" });

const PAGE = { limit: "The most rows to answer with.", cursor: "Where to go on: the `nextCursor` of the page before." };

/** The query of a list. */
export const pageParameters = described(pageQuery, PAGE);

/** The query of the list of domains. */
export const domainsParameters = described(domainsQuery, { ...PAGE, prefix: "What the names begin with." });

/** The query of a domain's log. */
export const logParameters = described(logQuery, { ...PAGE, order: "Which entries come first." });

/** The query of a log's export. */
export const exportParameters = described(exportQuery, { after: "Leaves out the entries up to this revision." });

/** The query of a domain's activity. */
export const activityParameters = described(activityQuery, { days: "How many days of it, today among them." });

const signedMembers = {
  aud: z.url().meta({ description: "The absolute URL of the request." }),
  iat: z.number().meta({ description: "When it was signed, in seconds since the Unix epoch: within 300 of now." }),
  jti: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/)
    .meta({ description: "New for each request; a signed leave is repeated under the same one." }),
};

/** What is signed in a registration. */
export const signedRegistration = registration
  .extend(signedMembers)
  .meta({ id: "SignedRegistration", unusedIO: "input", description: "The payload of a signed registration." });

/** What is signed in a de-registration. */
export const signedDeregistration = deregistration
  .extend(signedMembers)
  .meta({ id: "SignedDeregistration", unusedIO: "input", description: "The payload of a signed de-registration." });
