import { createHash } from "node:crypto";
import { REQUIRED_SECRETS } from "../src/server/config.ts";
import { type DatabaseEntry, databaseEntries, NO_DATABASE, withId, withOneMore } from "./database-entries.ts";
import { configuredNames, unknownNames } from "./variable-names.ts";

/** The result of a run of wrangler. */
export type Run = Readonly<{ code: number; output: string }>;

/** The tools of a deployment: wrangler, and the files of the checkout. */
export type Tools = Readonly<{
  /** Runs wrangler; what it prints is shown as well if `shown`. */
  wrangler(args: readonly string[], shown?: boolean): Promise<Run>;
  read(file: string): string | null;
  /** Writes a file for its owner alone. */
  write(file: string, text: string): void;
  newSecrets(): Promise<Readonly<Record<string, string>>>;
  say(line: string): void;
  /** Whether somebody is there to answer questions and to put secrets away. */
  attended: boolean;
  ask(question: string): Promise<string>;
  /** The public address of the server, if the environment has it. */
  serverUrl: string | undefined;
}>;

/** The deployment cannot go on; the message says what to do. */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

export const CONFIG_FILE = "wrangler.toml";
export const NEW_SECRETS_FILE = "secrets.json";

/**
 * Brings everything to Cloudflare: the server's address, its rate limits, the databases, their migrations, the secrets,
 * the Worker. Each step looks first whether it was done, so that it may be run again at any time, after an interruption
 * too.
 *
 * @param more `database` adds a D1 database, which takes its share of new domains
 * @throws DeploymentError
 */
export async function deploy(tools: Tools, more: Readonly<{ database?: boolean }> = {}): Promise<void> {
  for (const line of unknownNames(configuredNames(configuration(tools)))) tools.say(line);
  await ensureServerUrl(tools);
  ensureRateLimits(tools);
  if (more.database) await addDatabase(tools);
  const bindings = await ensureDatabases(tools);
  const secretsFile = await missingSecrets(tools, bindings);
  await done(tools, ["deploy", ...(secretsFile ? ["--secrets-file", secretsFile] : [])], true);
  // An earlier run may have made it.
  if (tools.read(NEW_SECRETS_FILE) !== null) {
    tools.say(`The Worker has its secrets. Put ${NEW_SECRETS_FILE} into your vault now, and delete it here:`);
    tools.say("without KEY_ENCRYPTION_KEYS the private keys of every domain are lost.");
  }
}

/** Has the configuration say under which address devices know the server. */
async function ensureServerUrl(tools: Tools): Promise<void> {
  const config = configuration(tools);
  const line = /^DOMAIN_SERVER_URL = "(.*)"/m;
  const configured = line.exec(config)?.[1];
  if (configured === undefined) {
    throw new DeploymentError(`Put the line DOMAIN_SERVER_URL = "" under [vars] of ${CONFIG_FILE}, and deploy again.`);
  }
  const url = originOf(configured || (await givenUrl(tools)));
  if (tools.serverUrl && originOf(tools.serverUrl) !== url) {
    throw new DeploymentError(
      `${CONFIG_FILE} has another DOMAIN_SERVER_URL than the environment: change it there if devices are to know the server by a new address.`,
    );
  }
  if (url === configured) return;
  tools.write(
    CONFIG_FILE,
    config.replace(line, () => `DOMAIN_SERVER_URL = "${url}"`),
  );
  tools.say(`Wrote the server's address ${url} into ${CONFIG_FILE}; commit that.`);
}

async function givenUrl(tools: Tools): Promise<string> {
  if (tools.serverUrl) return tools.serverUrl;
  if (tools.attended) return tools.ask("Public address of this server, such as https://domains.example.com: ");
  throw new DeploymentError(
    "The server's public address is missing: DOMAIN_SERVER_URL=https://domains.example.com npm run deploy.",
  );
}

/** @throws DeploymentError if it is none that a deployment can have */
function originOf(text: string): string {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : null;
  if (url?.protocol === "https:" && url.href === `${url.origin}/`) return url.origin;
  throw new DeploymentError(
    `The server's public address must be an https origin such as https://domains.example.com, and is "${text}".`,
  );
}

/** Gives the rate limits numbers of this Worker's own: limits of equal numbers share their counters in all of an account. */
function ensureRateLimits(tools: Tools): void {
  const config = configuration(tools);
  const worker = /^name = "(.+)"/m.exec(config)?.[1];
  const limit = /^(\[\[ratelimits\]\]\nname = "(.+)"\nnamespace_id = )".*"/gm;
  if (worker === undefined || config.match(limit)?.length !== config.match(/^\[\[ratelimits\]\]/gm)?.length) {
    throw new DeploymentError(`Begin each [[ratelimits]] of ${CONFIG_FILE} with name and namespace_id, a line each.`);
  }
  const own = config.replace(limit, (_, line, name) => `${line}"${namespaceId(worker, name)}"`);
  if (own === config) return;
  tools.write(CONFIG_FILE, own);
  tools.say(`Wrote rate limits of the Worker ${worker}'s own into ${CONFIG_FILE}; commit that.`);
}

/** A positive number below 2^31, the same for each deployment of a Worker: an account has one Worker of a name. */
function namespaceId(worker: string, limit: string): number {
  return 1 + (createHash("sha256").update(`${worker}/${limit}`).digest().readUInt32BE() % (2 ** 31 - 1));
}

function configuration(tools: Tools): string {
  const config = tools.read(CONFIG_FILE);
  if (config !== null) return config;
  throw new DeploymentError(`There is no ${CONFIG_FILE} here: deploy from the checkout's folder.`);
}

/** Has the configuration name databases that exist, and migrates them. @returns their bindings */
async function ensureDatabases(tools: Tools): Promise<readonly string[]> {
  const missing = entriesOf(tools).filter(({ id }) => id === NO_DATABASE);
  const listed = missing.length === 0 ? [] : await listedDatabases(tools);
  for (const entry of missing) {
    const id = listed.find(({ name }) => name === entry.name)?.uuid ?? (await createdDatabase(tools, entry.name));
    tools.write(CONFIG_FILE, withId(configuration(tools), entry, id));
    tools.say(`Wrote the id of the D1 database ${entry.name} into ${CONFIG_FILE}; commit that.`);
  }
  const bindings = entriesOf(tools).map(({ binding }) => binding);
  for (const binding of bindings) await done(tools, ["d1", "migrations", "apply", binding, "--remote"], true);
  return bindings;
}

/**
 * Has the configuration name one more database, unless one that it names is still to be created: an interrupted run may
 * have created that.
 *
 * @throws DeploymentError if a database has its name: it may be another deployment's
 */
async function addDatabase(tools: Tools): Promise<void> {
  if (entriesOf(tools).some(({ id }) => id === NO_DATABASE)) return;
  const config = withOneMore(configuration(tools));
  const { name, binding } = databaseEntries(config).at(-1) as DatabaseEntry;
  if ((await listedDatabases(tools)).some((listed) => listed.name === name)) {
    throw new DeploymentError(
      `The account has a D1 database ${name} already. Add an entry ${binding} to ${CONFIG_FILE} by hand: with its id if it is this deployment's, or else with another name and the id ${NO_DATABASE}. Then run npm run deploy.`,
    );
  }
  tools.write(CONFIG_FILE, config);
  tools.say(`Wrote the database ${name} into ${CONFIG_FILE}, as ${binding}; commit that.`);
}

/** The D1 databases of the account. */
async function listedDatabases(tools: Tools): Promise<readonly Readonly<{ name: string; uuid: string }>[]> {
  return JSON.parse((await done(tools, ["d1", "list", "--json"])).output);
}

async function createdDatabase(tools: Tools, name: string): Promise<string> {
  const jurisdiction = /^JURISDICTION = "(.+)"/m.exec(configuration(tools))?.[1];
  const place = jurisdiction === undefined ? [] : ["--jurisdiction", jurisdiction];
  const { output } = await done(tools, ["d1", "create", name, ...place]);
  const id = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(output)?.[0];
  if (id === undefined) throw new DeploymentError(`Put the id of the D1 database ${name} into ${CONFIG_FILE}.`);
  return id;
}

function entriesOf(tools: Tools): readonly DatabaseEntry[] {
  try {
    return databaseEntries(configuration(tools));
  } catch (error) {
    throw new DeploymentError(`In ${CONFIG_FILE}, ${(error as Error).message}.`);
  }
}

/** A file with the secrets to put, if the Worker has none yet; null if it has them all. */
async function missingSecrets(tools: Tools, databases: readonly string[]): Promise<string | null> {
  const present = await presentSecrets(tools);
  const missing = REQUIRED_SECRETS.filter((name) => !present.includes(name));
  if (missing.length === 0) return null;
  if (missing.length < REQUIRED_SECRETS.length) {
    throw new DeploymentError(`The Worker lacks ${missing.join(" and ")}: npx wrangler secret put ${missing[0]}.`);
  }
  if (await holdDomains(tools, databases)) {
    throw new DeploymentError(
      `The database holds domains, and the Worker has no secrets: put those that wrapped their keys, from your vault, with npx wrangler secret put NAME.`,
    );
  }
  if (tools.read(NEW_SECRETS_FILE) === null) {
    if (!tools.attended) {
      throw new DeploymentError(
        `The Worker has no secrets. Make some with npm run -s secrets, put them away, and set each with npx wrangler secret put NAME.`,
      );
    }
    tools.write(NEW_SECRETS_FILE, `${JSON.stringify(await tools.newSecrets(), null, 2)}\n`);
  }
  return NEW_SECRETS_FILE;
}

async function presentSecrets(tools: Tools): Promise<readonly string[]> {
  const { code, output } = await tools.wrangler(["secret", "list", "--format", "json"]);
  // There is no Worker before the first deployment.
  if (code !== 0 && /10007|not found|does not exist/i.test(output)) return [];
  if (code !== 0) throw new DeploymentError(`wrangler secret list failed:\n${output}`);
  return (JSON.parse(output) as { name: string }[]).map(({ name }) => name);
}

async function holdDomains(tools: Tools, databases: readonly string[]): Promise<boolean> {
  const question = "select exists (select 1 from domain_keys) as found";
  for (const binding of databases) {
    const { output } = await done(tools, ["d1", "execute", binding, "--remote", "--json", "--command", question]);
    const [answer] = JSON.parse(output) as [{ results: [{ found: number }] }];
    if (answer.results[0].found === 1) return true;
  }
  return false;
}

async function done(tools: Tools, args: readonly string[], shown = false): Promise<Run> {
  const run = await tools.wrangler(args, shown);
  if (run.code === 0) return run;
  throw new DeploymentError(`wrangler ${args.slice(0, 3).join(" ")} failed:\n${run.output}`);
}
