import type { JWK } from "jose";
import * as z from "zod";
import { overlay, type SettingsPatch, settingsProblems } from "../domain/settings.ts";
import { DEFAULT_SETTINGS } from "../domain/types.ts";
import { MAX_ROLLOVER_INTERVAL_SECONDS } from "../protocol/limits.ts";
import { isSafeUrl } from "../protocol/loopback.ts";
import { shareNames } from "./auth/identity-domains.ts";
import { SCOPES } from "./auth/scopes.ts";
import { conflict, shareNamespaces, type TrustedIssuer, trustedIssuer } from "./auth/trusted-issuers.ts";
import { DATABASE_BINDING } from "./database/database-choice.ts";
import { settings } from "./settings-shape.ts";

/** The environment, checked. */
export type Config = Readonly<{
  /** The public origin of this server; null to take each request's. */
  serverUrl: string | null;
  trustedIssuers: readonly TrustedIssuer[];
  domainTokenLifetimeSeconds: number;
  /** Symmetric JWKs: the first wraps, all unwrap. */
  keyEncryptionKeys: Keys;
  /** Private EC P-256 JWKs: the first signs, all are published. */
  domainAuthorityKeys: Keys;
  /** The admin tokens that count: the present one, and the previous one if it is configured. */
  adminTokens: readonly string[];
  /** Cloudflare Access, as an issuer whose tokens let operators do everything; null if it is not in front. */
  access: TrustedIssuer | null;
  /** How long log entries are kept; null for ever. */
  logRetentionDays: number | null;
  /** The stores that must have a device's change before the response: the domain's object, or the database as well. */
  answerAfter: AnswerAfter;
  /** The least time between automatic rollovers of a domain that has no such setting, in seconds. */
  defaultRolloverIntervalSeconds: number;
  /** Who brings domains into being by asking for them: any device, devices with a valid auth token, or operators only. */
  domainCreation: DomainCreation;
  /** The settings of a domain that a device brings into being, where they are not the defaults. */
  domainDefaults: SettingsPatch;
  /** The jurisdiction that all objects and databases are in; null for none. */
  jurisdiction: Jurisdiction | null;
  /** Near which place objects are made; null: near the first caller. */
  locationHint: LocationHint | null;
  /** The D1 databases that take new domains, by their bindings; null for all. */
  openDatabases: readonly [string, ...string[]] | null;
  /** The origins of web pages whose scripts may be devices. */
  corsOrigins: readonly string[];
}>;

/** Keys of which there is at least one. */
export type Keys = readonly [JWK, ...JWK[]];

/** The stores that must have a change before the response. */
type AnswerAfter = (typeof ANSWER_AFTER)[number];

const ANSWER_AFTER = ["object", "database"] as const;

/** Who brings domains into being. */
export type DomainCreation = (typeof DOMAIN_CREATION)[number];

const DOMAIN_CREATION = ["open", "authenticated", "operators"] as const;

/** A jurisdiction of Cloudflare: where objects and databases may run and keep data. */
export type Jurisdiction = (typeof JURISDICTIONS)[number];

const JURISDICTIONS = ["eu", "us", "fedramp"] as const;

/** A place near which an object can be made. */
type LocationHint = (typeof LOCATION_HINTS)[number];

const LOCATION_HINTS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;

/** The names of the variables the server reads, each a string. */
export type Environment = { readonly [Name in keyof typeof VARIABLES]?: string | undefined };

/** A variable is missing or malformed; the message is one sentence for the operator and never holds its value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly variable: string;

  constructor(variable: string, problem: string) {
    super(`${variable} ${problem}.`);
    this.variable = variable;
  }
}

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/, "must be base64url");
const coordinate = base64url.length(43, "must be 32 bytes in base64url");
const kid = z.string().min(1);

const symmetricKey = z.looseObject({ kty: z.literal("oct"), kid, k: coordinate });
const authorityKey = z.looseObject({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  kid,
  x: coordinate,
  y: coordinate,
  d: coordinate,
});

const keySet = <Key extends z.ZodType<{ kid: string }>>(key: Key) =>
  z.object({
    keys: z
      .array(key)
      .min(1, "holds no key")
      .refine((keys) => new Set(keys.map((each) => each.kid)).size === keys.length, "holds the same kid twice"),
  });

const serverOrigin = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text, "must be an origin such as https://host")
  .refine(isSafeUrl, "must be https, or http on a loopback address");

const adminToken = z
  .string()
  .min(32, "must have at least 32 characters")
  .regex(/^[\x21-\x7e]+$/, "must hold visible ASCII characters only");

const domainDefaults = z
  .strictObject(settings)
  .partial()
  .superRefine((patch, { addIssue }) => {
    const [problem] = settingsProblems(overlay(DEFAULT_SETTINGS, patch));
    if (problem) addIssue({ code: "custom", path: [problem.field], message: problem.detail });
  });

const databaseBinding = z.string().regex(DATABASE_BINDING, "must be the binding of a D1 database, such as DB_2");

/** The variables that the server reads. `json` says that the text is JSON, and `shape` checks the value. */
const VARIABLES = {
  KEY_ENCRYPTION_KEYS: { json: true, shape: keySet(symmetricKey) },
  DOMAIN_AUTHORITY_KEYS: { json: true, shape: keySet(authorityKey) },
  ADMIN_TOKEN: { json: false, shape: adminToken },
  ADMIN_TOKEN_PREVIOUS: { json: false, shape: adminToken },
  DOMAIN_SERVER_URL: { json: false, shape: serverOrigin },
  TRUSTED_ISSUERS: { json: true, shape: z.array(trustedIssuer) },
  DEVELOPMENT_ISSUER: { json: true, shape: trustedIssuer },
  DOMAIN_CREATION: { json: false, shape: z.enum(DOMAIN_CREATION) },
  ANSWER_AFTER: { json: false, shape: z.enum(ANSWER_AFTER) },
  DOMAIN_DEFAULTS: { json: true, shape: domainDefaults },
  JURISDICTION: { json: false, shape: z.enum(JURISDICTIONS) },
  DOMAIN_LOCATION_HINT: { json: false, shape: z.enum(LOCATION_HINTS) },
  OPEN_DATABASES: {
    json: true,
    shape: z.tuple([databaseBinding], databaseBinding),
  },
  CORS_ORIGINS: { json: true, shape: z.array(serverOrigin) },
  ACCESS_TEAM_DOMAIN: { json: false, shape: serverOrigin },
  ACCESS_AUDIENCE: { json: false, shape: z.string() },
  LOG_RETENTION_DAYS: { json: false, shape: z.coerce.number().int().min(8).max(36_500) },
  DEFAULT_ROLLOVER_INTERVAL_SECONDS: {
    json: false,
    shape: z.coerce.number().int().min(0).max(MAX_ROLLOVER_INTERVAL_SECONDS),
  },
  DOMAIN_TOKEN_LIFETIME_SECONDS: {
    json: false,
    shape: z.coerce.number().int().min(60).max(31_536_000),
  },
} as const;

/** The names of all variables that the server reads. */
export const VARIABLE_NAMES = Object.keys(VARIABLES);

/** The names of the secrets that must be set. */
export const REQUIRED_SECRETS: readonly string[] = ["KEY_ENCRYPTION_KEYS", "DOMAIN_AUTHORITY_KEYS", "ADMIN_TOKEN"];

/** The names of all secrets. Never put a secret on a command line, in a log or in another file. */
export const SECRETS = [...REQUIRED_SECRETS, "ADMIN_TOKEN_PREVIOUS"];

/**
 * Checks the environment and gives it its types.
 *
 * @throws ConfigError for the first variable that is missing or malformed
 */
export function readConfig(environment: Environment): Config {
  const read = <Name extends keyof typeof VARIABLES>(name: Name) =>
    readVariable(name, environment[name]) as z.output<(typeof VARIABLES)[Name]["shape"]> | undefined;
  const required = <Name extends keyof typeof VARIABLES>(name: Name) => {
    const value = read(name);
    if (value === undefined) throw new ConfigError(name, "is not set");
    return value;
  };
  const developmentIssuer = read("DEVELOPMENT_ISSUER");
  const serverUrl = read("DOMAIN_SERVER_URL") ?? null;
  const logRetentionDays = read("LOG_RETENTION_DAYS") ?? null;
  if (logRetentionDays !== null && serverUrl === null) {
    throw new ConfigError(
      "DOMAIN_SERVER_URL",
      "is not set, though LOG_RETENTION_DAYS is: it signs where logs were cut",
    );
  }
  const previousAdminToken = read("ADMIN_TOKEN_PREVIOUS");
  return {
    serverUrl,
    // The development issuer may name any namespace: its key is on one machine, and a deployment has none.
    trustedIssuers: [...distinct(read("TRUSTED_ISSUERS") ?? []), ...(developmentIssuer ? [developmentIssuer] : [])],
    domainTokenLifetimeSeconds: read("DOMAIN_TOKEN_LIFETIME_SECONDS") ?? 30 * 24 * 60 * 60,
    keyEncryptionKeys: required("KEY_ENCRYPTION_KEYS").keys as unknown as Keys,
    domainAuthorityKeys: required("DOMAIN_AUTHORITY_KEYS").keys as unknown as Keys,
    adminTokens: [required("ADMIN_TOKEN"), ...(previousAdminToken === undefined ? [] : [previousAdminToken])],
    access: accessIssuer(read("ACCESS_TEAM_DOMAIN"), read("ACCESS_AUDIENCE")),
    logRetentionDays,
    answerAfter: read("ANSWER_AFTER") ?? "object",
    defaultRolloverIntervalSeconds: read("DEFAULT_ROLLOVER_INTERVAL_SECONDS") ?? 0,
    domainCreation: read("DOMAIN_CREATION") ?? "open",
    domainDefaults: read("DOMAIN_DEFAULTS") ?? {},
    jurisdiction: read("JURISDICTION") ?? null,
    locationHint: read("DOMAIN_LOCATION_HINT") ?? null,
    openDatabases: bound(environment, read("OPEN_DATABASES") ?? null),
    corsOrigins: read("CORS_ORIGINS") ?? [],
  };
}

/** Bindings that are all there. @throws ConfigError if one is not */
function bound<Names extends readonly string[] | null>(environment: object, names: Names): Names {
  const missing = names?.find((name) => !(name in environment));
  if (missing) throw new ConfigError("OPEN_DATABASES", `names ${missing}, which is not bound`);
  return names;
}

/** Issuers of which none can name the namespace or the domains of another. @throws ConfigError if one could */
function distinct(issuers: readonly TrustedIssuer[]): readonly TrustedIssuer[] {
  const namespaces = conflict(issuers, shareNamespaces);
  if (namespaces) throw sharing(namespaces, "with a namespace in common, so give each issuer namespaces of its own");
  const names = conflict(issuers, shareNames);
  if (names) throw sharing(names, "whose domains could have the same name, so have their names begin differently");
  return issuers;
}

function sharing([earlier, later]: readonly [number, number], problem: string): ConfigError {
  return new ConfigError("TRUSTED_ISSUERS", `has entries ${earlier} and ${later} ${problem}`);
}

/**
 * Cloudflare Access as an issuer of operators' tokens.
 *
 * @see Cloudflare One documentation, "Validate JWTs"
 */
function accessIssuer(teamDomain: string | undefined, audience: string | undefined): TrustedIssuer | null {
  if (teamDomain === undefined && audience === undefined) return null;
  if (teamDomain === undefined) throw new ConfigError("ACCESS_TEAM_DOMAIN", "is not set, though ACCESS_AUDIENCE is");
  if (audience === undefined) throw new ConfigError("ACCESS_AUDIENCE", "is not set, though ACCESS_TEAM_DOMAIN is");
  const jwksUri = `${teamDomain}/cdn-cgi/access/certs`;
  return trustedIssuer.parse({ namespace: "access", issuer: teamDomain, audience, jwksUri, operatorScopes: SCOPES });
}

function readVariable(name: keyof typeof VARIABLES, text: string | undefined): unknown {
  if (text === undefined || text === "") return undefined;
  const { json, shape } = VARIABLES[name];
  const result = shape.safeParse(json ? parseJson(name, text) : text);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue && issue.path.length > 0 ? ` at ${issue.path.join(".")}` : "";
  throw new ConfigError(name, `is malformed${place}: ${issue?.message}`);
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ConfigError(name, "is not JSON");
  }
}

const checked = new WeakMap<object, Config>();

/**
 * The checked configuration of a Worker or Durable Object environment; checked once for each.
 *
 * @throws ConfigError
 */
export function configOf(environment: Environment & object): Config {
  const known = checked.get(environment);
  if (known) return known;
  const config = readConfig(environment);
  checked.set(environment, config);
  return config;
}
