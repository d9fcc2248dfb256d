import * as z from "zod";
import type {} from "zod-openapi";
import {
  activityQuery,
  banBody,
  deletionQuery,
  deregisterBody,
  domainsQuery,
  exportQuery,
  historyQuery,
  idleDomainsBody,
  keysQuery,
  logQuery,
  machineGuidHeader,
  pageQuery,
  registerBody,
  removalQuery,
  renamingBody,
  retiredKeysBody,
  rolloverBody,
  rolloverQuery,
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

/** The bodies that have exactly one of some optional members. */
function eitherOf<Shape extends Readonly<Record<string, z.ZodOptional>>>(schema: z.ZodObject<Shape>) {
  const members = Object.entries(schema.shape as Readonly<Record<string, z.ZodOptional>>);
  return z.union(
    members.map(([name, member]) => {
      const { description = "" } = member.meta() ?? {};
      return z.strictObject({ [name]: (member.unwrap() as z.ZodType).meta({ description }) });
    }),
  );
}

/** The body of a registration. */
export const registration = described(registerBody, {
  machineGuid: "The device's machine GUID: a UUID of version 4 or 7 (RFC 9562), in either case.",
  afterKeyVersion: "Leaves out the credentials that the device holds already: those up to this key version.",
  credentials: "`newest` for the newest credential only, `all` for the newest 100.",
  encryptionKey: "A public key of the device. The response has the private keys encrypted to it, and none readable.",
  deviceName:
    "The name of the device for the domain's owner and operators. It counts if the device has no name yet: it does not undo a renaming.",
}).meta({ id: "Registration" });

/** The body that renames a device. */
export const renaming = described(renamingBody, {
  name: "The name, 1 to 64 characters, or null for none. A renewal of the device does not change it.",
}).meta({ id: "Renaming" });

/** The query of a removal of devices. */
export const removalParameters = described(removalQuery, {
  except: "The `handle` of the one device that stays. Without it, all are removed.",
});

/** The header by which a device says which one it is. */
export const askingDevice = described(machineGuidHeader, {
  "machine-guid": "The machine GUID of the device that asks: the response marks it as `thisDevice`.",
});

/** The body of a de-registration. */
export const deregistration = described(deregisterBody, {
  machineGuid: "The machine GUID of the device that leaves: a UUID of version 4 or 7 (RFC 9562), in either case.",
  preview: "Whether to say what would happen, and change nothing.",
}).meta({ id: "Deregistration" });

const SETTINGS = {
  authenticationRequired: "Whether registrations and de-registrations need an auth token. By default, no.",
  authNamespace:
    "The one auth namespace whose tokens count; null for those of every trusted issuer. Needs `authenticationRequired`.",
  maxMembership: "How many devices may be members at once; null, the default, for no maximum.",
  deviceKeyRequired: "Whether devices must sign every request with a key of their own. By default, no.",
  rolloverIntervalSeconds:
    "The shortest time between two rollovers after leaves, in seconds. Until then, a device that left can decrypt what is encrypted to the domain. Evictions, bans and rollovers of operators do not wait. Null, the default, for the server's default.",
  maxMembershipPerSubject:
    "How many devices may be members at once by auth tokens of one subject; null, the default, for no maximum. Needs `authenticationRequired`.",
  ownerSubject:
    "The `sub` of the owner's auth tokens: with `authNamespace`, which it needs, only these count. Null, the default, for no owner.",
  whenFull:
    "Whether a device that joins a full domain is refused, the default, or takes the place of the member that has not renewed for longest.",
  minIdleDays:
    "Replaces only a member whose last renewal is more than so many days ago, in UTC; 30 by default. Counts with `whenFull`.",
  memberIdleDays:
    "Removes members that have not renewed for more than so many days, in UTC. A rollover is then due. Null, the default, for never.",
  deleteAfterEmptyDays:
    "Deletes the domain once it has had no member, and no change, for so many days; null, the default, for never.",
  retireAfterDays: "Keys are retired this many days after their successor was made; null, the default, for never.",
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
export const retiredKeys = eitherOf(
  described(retiredKeysBody, {
    upTo: "The highest retired key version, below the newest; 0 if no key is to be retired.",
    olderThanDays: "Retires the keys whose successor was made at least this many days ago. It never brings a key back.",
  }),
).meta({ id: "RetiredKeys", description: "Either `upTo` or `olderThanDays`." });

/** The body of a ban. */
export const ban = described(banBody, { reason: "Why, for operators to read." }).meta({ id: "BanRequest" });

/** The query of a deletion. */
export const deletionParameters = described(deletionQuery, { confirm: "The name of the domain, once more." });

/** The body of a deletion of idle domains. */
export const idleDomains = described(idleDomainsBody, {
  idleSince:
    "Selects the domains in which nothing has changed, and no member has renewed, since this moment. Renewals are known by their day in UTC: one on the day of this moment counts.",
  maxMembers: "Selects the domains with at most so many members. By default, those without any.",
  dryRun: "Whether to say which domains would be deleted, and change nothing. By default, yes.",
  limit: "The maximum number of domains.",
  cursor: "The `nextCursor` of the response before.",
}).meta({ id: "IdleDomains" });

const PAGE = { limit: "The maximum number of rows.", cursor: "The `nextCursor` of the page before." };

/** The query of a list. */
export const pageParameters = described(pageQuery, PAGE);

/** The query of the list of domains. */
export const domainsParameters = described(domainsQuery, { ...PAGE, prefix: "What the names begin with." });

/** The query of a domain's public keys. */
export const keysParameters = described(keysQuery, {
  version: "Selects the key of this version.",
  before: "Selects the keys of the versions below this one.",
  kid: "Selects the key with this thumbprint. At most one of `version`, `before` and `kid` may be sent.",
});

const history = described(historyQuery, {
  keyVersion: "The version of the key to encrypt to: one that the client holds.",
  before: "Selects the versions below this one, which may not be above `keyVersion`. By default, `keyVersion`.",
});

/** The part of the path of a history that says which key it is sealed to. */
export const historyKey = history.pick({ keyVersion: true });

/** The query of a history. */
export const historyParameters = history.pick({ before: true });

/** The query of a rollover that is due. */
export const dueRolloverParameters = described(rolloverQuery, {
  statement:
    "`true` for a response with the signed statement of the key: a secret can be encrypted to it without another request. `false` is the default.",
});

/** The query of a domain's log. */
export const logParameters = described(logQuery, {
  ...PAGE,
  order: "Which entries come first.",
  type: "Selects the entries with a change of this type. A page may have few of them, or none, although more follow.",
  deviceId: "Selects the entries with a change of this device. With `type`, one change must be both.",
});

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

/** The payload of a signed registration. */
export const signedRegistration = registration
  .extend(signedMembers)
  .meta({ id: "SignedRegistration", unusedIO: "input", description: "The payload of a signed registration." });

/** The payload of a signed de-registration. */
export const signedDeregistration = deregistration
  .extend(signedMembers)
  .meta({ id: "SignedDeregistration", unusedIO: "input", description: "The payload of a signed de-registration." });
