import { createHash } from "node:crypto";
import { SECRETS } from "../src/server/config.ts";

/** What came of running wrangler. */
export type Run = Readonly<{ code: number; output: string }>;

/** What a deployment works with: wrangler, and the files of the checkout. */
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
const NO_DATABASE = "00000000-0000-0000-0000-000000000000";

/**
 * Brings everything to Cloudflare: the server's address, its rate limits, the database, its migrations, the secrets, the
 * Worker. Each step looks first whether it was done, so that it may be run again at any time, after an interruption too.
 *
 * @throws DeploymentError
 */
export async function deploy(tools: Tools): Promise<void> {
  await ensureServerUrl(tools);
  ensureRateLimits(tools);
  await ensureDatabase(tools);
  await done(tools, ["d1", "migrations", "apply", "DB", "--remote"], true);
  const secretsFile = await missingSecrets(tools);
  await done(tools, ["deploy", ...(secretsFile ? ["--secrets-file", secretsFile] : [])], true);
  if (secretsFile) {
    tools.say(`The Worker has its secrets. Put ${secretsFile} into your vault now, and delete it here:`);
    tools.say("whoever loses KEY_ENCRYPTION_KEYS loses the private keys of every domain.");
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

/** Has the configuration name a database that exists. */
async function ensureDatabase(tools: Tools): Promise<void> {
  const config = configuration(tools);
  if (!config.includes(NO_DATABASE)) return;
  const database = /^database_name = "(.+)"/m.exec(config)?.[1];
  if (database === undefined) throw new DeploymentError(`Put database_name into [[d1_databases]] of ${CONFIG_FILE}.`);
  const listed = JSON.parse((await done(tools, ["d1", "list", "--json"])).output) as { name: string; uuid: string }[];
  let uuid = listed.find(({ name }) => name === database)?.uuid;
  if (uuid === undefined) {
    const { output } = await done(tools, ["d1", "create", database]);
    uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(output)?.[0];
  }
  if (uuid === undefined) throw new DeploymentError(`Put the id of the D1 database ${database} into ${CONFIG_FILE}.`);
  tools.write(CONFIG_FILE, config.replace(NO_DATABASE, uuid));
  tools.say(`Wrote the id of the D1 database ${database} into ${CONFIG_FILE}; commit that.`);
}

/** A file with the secrets to put, if the Worker has none yet; null if it has them all. */
async function missingSecrets(tools: Tools): Promise<string | null> {
  const present = await presentSecrets(tools);
  const missing = SECRETS.filter((name) => !present.includes(name));
  if (missing.length === 0) return null;
  if (missing.length < SECRETS.length) {
    throw new DeploymentError(`The Worker lacks ${missing.join(" and ")}: npx wrangler secret put ${missing[0]}.`);
  }
  if (await holdsDomains(tools)) {
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

async function holdsDomains(tools: Tools): Promise<boolean> {
  const question = "select exists (select 1 from domain_keys) as found";
  const { output } = await done(tools, ["d1", "execute", "DB", "--remote", "--json", "--command", question]);
  const [answer] = JSON.parse(output) as [{ results: [{ found: number }] }];
  return answer.results[0].found === 1;
}

async function done(tools: Tools, args: readonly string[], shown = false): Promise<Run> {
  const run = await tools.wrangler(args, shown);
  if (run.code === 0) return run;
  throw new DeploymentError(`wrangler ${args.slice(0, 3).join(" ")} failed:\n${run.output}`);
}
