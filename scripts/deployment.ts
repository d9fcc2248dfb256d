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
  /** Whether somebody is there to put secrets away. */
  attended: boolean;
}>;

/** The deployment cannot go on; the message says what to do. */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

export const CONFIG_FILE = "wrangler.toml";
export const NEW_SECRETS_FILE = "secrets.json";
const NO_DATABASE = "00000000-0000-0000-0000-000000000000";
const DATABASE = "device-domains";

/**
 * Brings everything to Cloudflare: the database, its migrations, the secrets, the Worker. Each step looks first whether
 * it was done, so that it may be run again at any time, after an interruption too.
 *
 * @throws DeploymentError
 */
export async function deploy(tools: Tools): Promise<void> {
  await ensureDatabase(tools);
  await done(tools, ["d1", "migrations", "apply", "DB", "--remote"], true);
  const secretsFile = await missingSecrets(tools);
  await done(tools, ["deploy", ...(secretsFile ? ["--secrets-file", secretsFile] : [])], true);
  if (secretsFile) {
    tools.say(`The Worker has its secrets. Put ${secretsFile} into your vault now, and delete it here:`);
    tools.say("whoever loses KEY_ENCRYPTION_KEYS loses the private keys of every domain.");
  }
}

/** Has the configuration name a database that exists. */
async function ensureDatabase(tools: Tools): Promise<void> {
  const config = tools.read(CONFIG_FILE) ?? "";
  if (!config.includes(NO_DATABASE)) return;
  const listed = JSON.parse((await done(tools, ["d1", "list", "--json"])).output) as { name: string; uuid: string }[];
  let uuid = listed.find(({ name }) => name === DATABASE)?.uuid;
  if (uuid === undefined) {
    const { output } = await done(tools, ["d1", "create", DATABASE]);
    uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(output)?.[0];
  }
  if (uuid === undefined) throw new DeploymentError(`Put the id of the D1 database ${DATABASE} into ${CONFIG_FILE}.`);
  tools.write(CONFIG_FILE, config.replace(NO_DATABASE, uuid));
  tools.say(`Wrote the id of the D1 database ${DATABASE} into ${CONFIG_FILE}; commit that.`);
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
