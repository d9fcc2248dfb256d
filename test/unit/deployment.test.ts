import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { databaseEntries, NO_DATABASE } from "../../scripts/database-entries.ts";
import { CONFIG_FILE, deploy, NEW_SECRETS_FILE, type Run, type Tools } from "../../scripts/deployment.ts";
import { REQUIRED_SECRETS } from "../../src/server/config.ts";

const URL = "https://domains.example.com";
const ID = "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77";

/** A Cloudflare account as wrangler shows it, and a checkout. */
function account(state: { databases?: string[]; worker?: boolean; secrets?: string[]; domains?: boolean } = {}) {
  const cloud = { databases: [], worker: false, secrets: [], domains: false, ...state };
  const files = new Map([[CONFIG_FILE, readFileSync(CONFIG_FILE, "utf8")]]);
  const calls: string[] = [];
  const created: string[] = [];
  const said: string[] = [];
  let interruptedAt: string | null = null;
  const commands: Record<string, (args: readonly string[]) => Run> = {
    "d1 list": () => ok(JSON.stringify(cloud.databases.map((name) => ({ name, uuid: ID })))),
    "d1 create": ([, , name, ...place]) => {
      created.push(place.join(" "));
      cloud.databases.push(name as string);
      return ok(`Created.\n[[d1_databases]]\ndatabase_id = "${ID}"`);
    },
    "d1 migrations": () => ok(""),
    "d1 execute": () => ok(JSON.stringify([{ results: [{ found: cloud.domains ? 1 : 0 }] }])),
    "secret list": () =>
      cloud.worker
        ? ok(JSON.stringify(cloud.secrets.map((name) => ({ name }))))
        : { code: 1, output: "This Worker does not exist on your account. [code: 10007]" },
    deploy: (args) => {
      cloud.worker = true;
      const file = args[args.indexOf("--secrets-file") + 1];
      if (args.includes("--secrets-file")) cloud.secrets = Object.keys(JSON.parse(files.get(file as string) ?? "{}"));
      return ok("");
    },
  };
  const tools: Tools = {
    wrangler: async (args) => {
      const name = Object.keys(commands).find((each) => args.join(" ").startsWith(each)) as string;
      calls.push(name);
      if (name === interruptedAt) return { code: 1, output: "interrupted" };
      return (commands[name] as (args: readonly string[]) => Run)(args);
    },
    read: (file) => files.get(file) ?? null,
    write: (file, text) => void files.set(file, text),
    newSecrets: async () => Object.fromEntries(REQUIRED_SECRETS.map((name) => [name, "x".repeat(40)])),
    say: (line) => void said.push(line),
    attended: true,
    ask: async () => {
      calls.push("ask");
      return URL;
    },
    serverUrl: undefined,
  };
  const interrupt = (at: string | null) => {
    interruptedAt = at;
  };
  return { cloud, files, calls, created, said, tools, interrupt };
}

function ok(output: string): Run {
  return { code: 0, output };
}

describe("a deployment", () => {
  it("makes what is missing, once", async () => {
    const { cloud, files, calls, tools } = account();
    await deploy(tools);
    expect(cloud).toMatchObject({ databases: ["device-domains"], worker: true, secrets: REQUIRED_SECRETS });
    expect(files.get(CONFIG_FILE)).toContain(ID);
    expect(calls).toEqual(["ask", "d1 list", "d1 create", "d1 migrations", "secret list", "d1 execute", "deploy"]);

    files.delete(NEW_SECRETS_FILE);
    calls.length = 0;
    await deploy(tools);
    expect(calls).toEqual(["d1 migrations", "secret list", "deploy"]);
    expect(files.has(NEW_SECRETS_FILE)).toBe(false);
  });

  it("takes a database that is there already", async () => {
    const { cloud, tools } = account({ databases: ["device-domains"] });
    await deploy(tools);
    expect(cloud.databases).toEqual(["device-domains"]);
  });

  it.each(["d1 create", "d1 migrations", "secret list", "d1 execute", "deploy"])(
    "goes on after an interruption at %s, with the secrets it made before",
    async (step) => {
      const { cloud, files, tools, interrupt } = account();
      interrupt(step);
      await expect(deploy(tools)).rejects.toThrow("interrupted");
      const made = files.get(NEW_SECRETS_FILE);
      interrupt(null);
      await deploy(tools);
      expect(cloud).toMatchObject({ databases: ["device-domains"], secrets: REQUIRED_SECRETS });
      if (made !== undefined) expect(files.get(NEW_SECRETS_FILE)).toBe(made);
    },
  );

  it("asks for the secrets to be put away for as long as their file is there, also after a failure past their upload", async () => {
    const { cloud, files, said, tools } = account();
    const failing: Tools["wrangler"] = async (args) => {
      const run = await tools.wrangler(args);
      return args[0] === "deploy" ? { code: 1, output: "the connection broke" } : run;
    };
    await expect(deploy({ ...tools, wrangler: failing })).rejects.toThrow("the connection broke");
    expect(cloud.secrets).toEqual(REQUIRED_SECRETS);
    for (const _ of ["the second run", "the third run"]) {
      said.length = 0;
      await deploy(tools);
      expect(said.join()).toContain(`Put ${NEW_SECRETS_FILE} into your vault now`);
    }

    files.delete(NEW_SECRETS_FILE);
    said.length = 0;
    await deploy(tools);
    expect(said).toEqual([]);
  });

  it("never makes new secrets beside keys that old ones wrapped", async () => {
    const { cloud, files, tools } = account({ databases: ["device-domains"], domains: true });
    await expect(deploy(tools)).rejects.toThrow("from your vault");
    expect(files.has(NEW_SECRETS_FILE)).toBe(false);
    expect(cloud.worker).toBe(false);
  });

  it("never fills up secrets of which some are there", async () => {
    const { cloud, tools } = account({ worker: true, secrets: ["ADMIN_TOKEN"] });
    await expect(deploy(tools)).rejects.toThrow("KEY_ENCRYPTION_KEYS");
    expect(cloud.secrets).toEqual(["ADMIN_TOKEN"]);
  });

  it("makes no secrets where nobody would put them away", async () => {
    const { files, tools } = account();
    await expect(deploy({ ...tools, serverUrl: URL, attended: false })).rejects.toThrow("npm run -s secrets");
    expect(files.has(NEW_SECRETS_FILE)).toBe(false);
  });
});

const more = { database: true };

describe("a deployment with one more database", () => {
  it("creates it, migrates all and binds it beside the others", async () => {
    const { cloud, files, calls, tools } = account({ worker: true, secrets: [...REQUIRED_SECRETS] });
    await deploy(tools);
    calls.length = 0;
    for (const number of [2, 3]) {
      await deploy(tools, more);
      expect(cloud.databases.at(-1)).toBe(`device-domains-${number}`);
      const entries = databaseEntries(files.get(CONFIG_FILE) as string);
      expect(entries.map(({ binding }) => binding)).toEqual(["DB", "DB_2", "DB_3"].slice(0, number));
      expect(entries.every(({ id }) => id === ID)).toBe(true);
    }
    expect(calls.filter((each) => each === "d1 migrations")).toHaveLength(2 + 3);
    // What stood around the first one still does.
    const without = (text: string) => text.replace(/\n\[\[d1_databases\]\]\nbinding = "DB_\d"\n(.+\n)+/g, "");
    const before = readFileSync(CONFIG_FILE, "utf8").replace(NO_DATABASE, ID);
    expect(
      without(files.get(CONFIG_FILE) as string)
        .split("\n")
        .sort(),
    ).toEqual(
      expect.arrayContaining(before.split("\n").filter((line) => !/^(DOMAIN_SERVER_URL|namespace_id)/.test(line))),
    );
  });

  it("adds no second one after an interruption", async () => {
    const { cloud, files, tools, interrupt } = account({ worker: true, secrets: [...REQUIRED_SECRETS] });
    await deploy(tools);
    interrupt("d1 create");
    await expect(deploy(tools, more)).rejects.toThrow("interrupted");
    interrupt(null);
    await deploy(tools, more);
    expect(cloud.databases).toEqual(["device-domains", "device-domains-2"]);
    expect(databaseEntries(files.get(CONFIG_FILE) as string)).toHaveLength(2);
  });

  it("refuses a name that is taken: two deployments would write one database", async () => {
    const { cloud, files, tools } = account({
      ...{ worker: true, secrets: [...REQUIRED_SECRETS], databases: ["device-domains", "device-domains-2"] },
    });
    await deploy(tools);
    const before = files.get(CONFIG_FILE) as string;
    await expect(deploy(tools, more)).rejects.toThrow("has a D1 database device-domains-2 already");
    expect(files.get(CONFIG_FILE)).toBe(before);

    // As the message says.
    const [entry = ""] = /^\[\[d1_databases\]\]\n(.+\n)+/m.exec(before) ?? [];
    const added = entry.replace('"DB"', '"DB_2"').replace('"device-domains"', '"more"').replace(ID, NO_DATABASE);
    files.set(CONFIG_FILE, `${before}\n${added}`);
    await deploy(tools);
    expect(cloud.databases).toEqual(["device-domains", "device-domains-2", "more"]);
  });

  it("finds the database again that an interrupted run created", async () => {
    const { cloud, files, tools } = account({ worker: true, secrets: [...REQUIRED_SECRETS] });
    await deploy(tools);
    const failing: Tools["wrangler"] = async (args) => {
      const run = await tools.wrangler(args);
      return args[1] === "create" ? { code: 1, output: "the connection broke" } : run;
    };
    await expect(deploy({ ...tools, wrangler: failing }, more)).rejects.toThrow("the connection broke");
    await deploy(tools, more);
    expect(cloud.databases).toEqual(["device-domains", "device-domains-2"]);
    expect(databaseEntries(files.get(CONFIG_FILE) as string).map(({ id }) => id)).toEqual([ID, ID]);
  });

  it("says what an entry lacks", async () => {
    const { files, tools } = account();
    const config = files.get(CONFIG_FILE) as string;
    files.set(CONFIG_FILE, config.replace(/^database_id = .*\n/m, ""));
    await expect(deploy(tools)).rejects.toThrow("begin each [[d1_databases]] with binding");
  });
});

describe("the databases of a deployment", () => {
  it.each([
    ["", ""],
    ["eu", "--jurisdiction eu"],
  ])("are made in the jurisdiction %j", async (jurisdiction, place) => {
    const { files, created, tools } = account();
    const config = files.get(CONFIG_FILE) as string;
    files.set(CONFIG_FILE, config.replace('JURISDICTION = ""', `JURISDICTION = "${jurisdiction}"`));
    await deploy(tools);
    await deploy(tools, more);
    expect(created).toEqual([place, place]);
  });
});

describe("the address of a deployment", () => {
  const addressOf = (files: Map<string, string>) =>
    /^DOMAIN_SERVER_URL = "(.*)"$/m.exec(files.get(CONFIG_FILE) as string)?.[1];

  it("is asked for once, before anything is made, and kept", async () => {
    const { files, calls, tools } = account();
    await deploy(tools);
    expect(addressOf(files)).toBe(URL);
    expect(calls.filter((each) => each === "ask")).toEqual(["ask"]);
    await deploy({ ...tools, attended: false });
    expect(addressOf(files)).toBe(URL);
  });

  it("comes from the environment where nobody can be asked", async () => {
    const { files, calls, tools } = account({ worker: true, secrets: [...REQUIRED_SECRETS] });
    await deploy({ ...tools, serverUrl: `${URL}/`, attended: false });
    expect(addressOf(files)).toBe(URL);
    expect(calls).not.toContain("ask");
  });

  it("is never left out: nothing is deployed without it, and the remedy is said", async () => {
    const { cloud, calls, tools } = account();
    const refused = deploy({ ...tools, attended: false });
    await expect(refused).rejects.toThrow("DOMAIN_SERVER_URL=https://domains.example.com npm run deploy");
    expect(calls).toEqual([]);
    expect(cloud.worker).toBe(false);
  });

  it.each([
    "",
    "domains.example.com",
    "http://domains.example.com",
    `${URL}/path`,
    `${URL}?a`,
    "https://me@example.com",
    "yes",
  ])("is not %j", async (answer) => {
    const { calls, files, tools } = account();
    await expect(deploy({ ...tools, ask: async () => answer })).rejects.toThrow("must be an https origin");
    expect(calls).toEqual([]);
    expect(addressOf(files)).toBe("");
  });

  it("is not changed by the way: devices know the server by it", async () => {
    const { files, calls, tools } = account();
    await deploy(tools);
    calls.length = 0;
    await expect(deploy({ ...tools, serverUrl: "https://other.example.com" })).rejects.toThrow("change it there");
    expect(calls).toEqual([]);
    expect(addressOf(files)).toBe(URL);
    await deploy({ ...tools, serverUrl: URL });
  });
});

describe("the rate limits of a deployment", () => {
  const idsOf = (files: Map<string, string>) =>
    [...(files.get(CONFIG_FILE) as string).matchAll(/^namespace_id = "(\d+)"$/gm)].map(([, id]) => Number(id));

  /** The numbers that a deployment of a Worker of this name gets. */
  async function idsOfWorker(name: string) {
    const { files, tools } = account();
    files.set(CONFIG_FILE, (files.get(CONFIG_FILE) as string).replace(/^name = ".*"/m, `name = "${name}"`));
    await deploy(tools);
    const ids = idsOf(files);
    await deploy(tools);
    expect(idsOf(files)).toEqual(ids);
    return ids;
  }

  it("share no counter with those of another Worker in the account, and stay the same", async () => {
    const names = ["device-domain-server", "device-domain-server-2", "films", "games"];
    const ids = (await Promise.all(names.map(idsOfWorker))).flat();
    expect(ids.length).toBeGreaterThanOrEqual(names.length * 3);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id > 0 && id < 2 ** 31, String(id)).toBe(true);
    expect(await idsOfWorker("films")).toEqual(await idsOfWorker("films"));
  });

  it("are refused in a form that cannot be given numbers", async () => {
    const { calls, files, tools } = account();
    const config = files.get(CONFIG_FILE) as string;
    files.set(CONFIG_FILE, `${config}\n[[ratelimits]]\nnamespace_id = "1001"\nname = "MORE"\n`);
    await expect(deploy(tools)).rejects.toThrow("Begin each [[ratelimits]]");
    expect(calls).toEqual(["ask"]);
  });
});

it("has a database of the name that the configuration says", async () => {
  const { cloud, files, tools } = account({ databases: ["device-domains"] });
  files.set(CONFIG_FILE, (files.get(CONFIG_FILE) as string).replace('"device-domains"', '"device-domains-2"'));
  await deploy(tools);
  expect(cloud.databases).toEqual(["device-domains", "device-domains-2"]);
});
