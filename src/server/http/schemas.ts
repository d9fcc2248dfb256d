import * as z from "zod";
import { DEVICE_NAME } from "../../domain/device-names.ts";
import { DEFAULT_SETTINGS } from "../../domain/types.ts";
import { MAX_PAGE_ROWS } from "../../protocol/limits.ts";
import { MACHINE_GUID_OF_ANY_CASE } from "../../protocol/machine-guid.ts";
import { MAX_AGE_DAYS, settings, text } from "../settings-shape.ts";

/**
 * A machine GUID: a UUID of version 4 or 7 (RFC 9562, sections 5.4 and 5.7) in either case, kept in lower case. The other
 * versions can be guessed or follow from something known, and a machine GUID is a secret.
 */
export const machineGuid = z
  .string()
  .regex(MACHINE_GUID_OF_ANY_CASE, {
    error: "must be a UUID of version 4 or 7, such as 6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77",
  })
  .transform((guid) => guid.toLowerCase());

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 bytes in base64url");
const metadata = {
  kid: z.string().optional(),
  use: z.literal("enc").optional(),
  alg: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  ext: z.boolean().optional(),
};

/** A public JWK to seal to; metadata is taken, private members are not (RFC 7517, section 4). */
const encryptionKey = z.discriminatedUnion("crv", [
  z.strictObject({ kty: z.literal("EC"), crv: z.literal("P-256"), x: coordinate, y: coordinate }).extend(metadata),
  z.strictObject({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: coordinate }).extend(metadata),
]);

/** The name of a device. Its length is counted in code points, which the pattern does. */
const deviceName = z.string().regex(DEVICE_NAME, {
  error: "must be 1 to 64 characters, one of them visible, and no control characters",
});

/** The body of a registration. */
export const registerBody = z.strictObject({
  machineGuid,
  afterKeyVersion: z.int().min(0).default(0),
  credentials: z.enum(["all", "newest"]).default("all"),
  encryptionKey: encryptionKey.optional(),
  deviceName: deviceName.optional(),
});

/** The header by which a device says which one it is. */
export const machineGuidHeader = z.strictObject({ "machine-guid": machineGuid.optional() });

/** The body that renames a device. */
export const renamingBody = z.strictObject({ name: deviceName.nullable() });

/** A text that the server gave out: a handle, or a cursor. */
const givenOut = z.string().min(1).max(4_096).optional();

/** The query of a removal of devices: the handle of one that stays. */
export const removalQuery = z.strictObject({ except: givenOut });

/** The body of a de-registration. */
export const deregisterBody = z.strictObject({
  machineGuid,
  preview: z.boolean().default(false),
});

/** The body that replaces a domain's settings; what it leaves out takes its default. */
export const settingsBody = z.strictObject(settings).partial();

/** The body of a ban. */
export const banBody = z.strictObject({ reason: text.min(1).max(500) });

/** The body of a rollover. */
export const rolloverBody = z.strictObject({ when: z.enum(["now", "next-registration"]) });

/** Refuses more than one member, of those that `names` lists. */
const onlyOneOf =
  (names: string) =>
  (body: object, { addIssue }: z.RefinementCtx) => {
    const given = Object.keys(body);
    for (const name of given.length > 1 ? given : []) {
      addIssue({ code: "custom", path: [name], message: `must be the only one of ${names}` });
    }
  };

/** The body that says which keys are retired: those up to a version, or those replaced so many days ago. */
export const retiredKeysBody = z
  .strictObject({ upTo: z.int().min(0), olderThanDays: z.int().min(0).max(MAX_AGE_DAYS) })
  .partial()
  .refine((body) => Object.keys(body).length > 0, { path: ["upTo"], error: "or olderThanDays must be there" })
  .superRefine(onlyOneOf("upTo and olderThanDays"));

/** The query of a deletion: the name of the domain, once more. */
export const deletionQuery = z.strictObject({ confirm: z.string() });

/** The most domains that one request deletes. */
const MAX_DELETIONS = 100;

/** The body that says which domains are deleted for being idle. */
export const idleDomainsBody = z.strictObject({
  idleSince: z.iso.datetime({ error: "must be a time in UTC, such as 2026-11-23T16:33:59Z" }),
  maxMembers: z.int().min(0).default(0),
  dryRun: z.boolean().default(true),
  limit: z.int().min(1).max(MAX_DELETIONS).default(50),
  cursor: givenOut,
});

/** A setting that has a value by default, which null stands for. */
const orDefault = <Value>(setting: z.ZodType<Value>, byDefault: Value) =>
  setting.nullable().transform((value) => value ?? byDefault);

/**
 * The body that changes some of a domain's settings: null takes one back to its default.
 *
 * @see RFC 7396, JSON Merge Patch, section 2
 */
export const settingsMergeBody = z
  .strictObject({
    ...settings,
    authenticationRequired: orDefault(settings.authenticationRequired, DEFAULT_SETTINGS.authenticationRequired),
    deviceKeyRequired: orDefault(settings.deviceKeyRequired, DEFAULT_SETTINGS.deviceKeyRequired),
    whenFull: orDefault(settings.whenFull, DEFAULT_SETTINGS.whenFull),
    minIdleDays: orDefault(settings.minIdleDays, DEFAULT_SETTINGS.minIdleDays),
  })
  .partial();

const whole = (text: unknown) => (typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : text);

/** The id of a device in the log. */
export const deviceId = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be a deviceId of a list or of the log");

/** The query of a list. */
export const pageQuery = z.strictObject({
  limit: z.preprocess(whole, z.int().min(1).max(MAX_PAGE_ROWS).default(50)),
  cursor: givenOut,
});

const version = z.preprocess(whole, z.int().min(1));

/** The query of a domain's public keys. */
export const keysQuery = z
  .strictObject({ version, before: version, kid: z.string().min(1).max(128) })
  .partial()
  .superRefine(onlyOneOf("version, before and kid"));

/** The path and the query of the history. */
export const historyQuery = z.strictObject({ keyVersion: version, before: version.optional() });

/** The query of a due rollover: whether to answer with the signed statement of the key as well. */
export const rolloverQuery = z.strictObject({ statement: z.enum(["true", "false"]).default("false") });

/** The query of the list of domains. */
export const domainsQuery = pageQuery.extend({ prefix: z.string().max(128).default("") });

/** The query of a domain's log. */
export const logQuery = pageQuery.extend({
  order: z.enum(["newest", "oldest"]).default("newest"),
  type: z
    .string()
    .regex(/^[a-z-]{1,40}$/, "must be a type of change, such as device-joined")
    .optional(),
  deviceId: deviceId.optional(),
});

/** The query of a log's export: the revision to begin after. */
export const exportQuery = z.strictObject({ after: z.coerce.number().int().min(0).default(0) });

/** The query of a domain's activity: how many days of it. */
export const activityQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(90).default(30) });
