import type { Command } from "commander";
import type { Settings } from "../operator/index.ts";
import { type AdminActions, adminActions, command, listCommand } from "./admin-actions.ts";
import { addDevicesAcrossDomains } from "./admin-devices.ts";
import { ACTIVITY, BANS, DELETIONS, DOMAINS, KEYS, LOG, MEMBERS, REFUSALS } from "./admin-tables.ts";
import { settingsWith, wholeNumber } from "./arguments.ts";
import { CommandError } from "./failures.ts";
import type { Surroundings } from "./surroundings.ts";

const DEVICE = "by its handle or machine GUID";
const KEEP_OLD_KEYS = "Keep the old key-encryption keys, and run this again: some domain keys still need them.";

/** Adds `admin`: what operators do. */
export function addAdminCommands(program: Command, surroundings: Surroundings): void {
  const admin = program
    .command("admin")
    .description("operate a server: its domains, their members, bans, keys and logs")
    .option("--server <url>", "the server's URL; else DEVICE_DOMAIN_SERVER")
    .option("--admin-token <token>", "an operator's token; else DEVICE_DOMAIN_ADMIN_TOKEN");
  const actions = adminActions(surroundings);
  addDomains(admin, actions);
  addDevices(admin, actions);
  addDevicesAcrossDomains(admin, actions);
  addKeys(admin, actions);
  addRecords(admin, actions);
}

function addDomains(admin: Command, { tells, lists }: AdminActions): void {
  const domains = admin.command("domains").description("list, show, change and delete domains");
  listCommand(domains, "list", "list the domains by name")
    .option("--prefix <text>", "what the names begin with")
    .action(lists(DOMAINS, (operator, { prefix = "" }: { prefix?: string }) => operator.domains({ prefix })));
  command(domains, "show <domain>", "show a domain's settings and counters").action(
    tells(async (operator, name: string) => ({ json: await operator.domain(name).overview() })),
  );
  command(domains, "set <domain>", "change a domain's settings, such as maxMembership=5")
    .argument("[setting=value...]", "null takes a setting back to its default", settingsWith)
    .option("--replace", "create the domain, or replace its settings: what is left out takes its default")
    .action(
      tells(async (operator, name: string, given: Settings, { replace = false }: { replace?: boolean }) => {
        const domain = operator.domain(name);
        // If none is given, Commander has an empty list.
        const settings = { ...given };
        return { json: await (replace ? domain.replaceSettings(settings) : domain.changeSettings(settings)) };
      }),
    );
  command(domains, "delete <domain>", "delete a domain with its members, keys, bans and log")
    .requiredOption("--confirm <domain>", "the name of the domain, once more")
    .action(
      tells(async (operator, name: string, { confirm }: { confirm: string }) => {
        const json = await operator.domain(name).delete(confirm);
        return { json, sentence: `${name} is deleted.${lag(json)}` };
      }),
    );
  command(domains, "delete-idle", "list the domains that nobody uses, and delete them if asked to")
    .requiredOption("--since <time>", "since when nothing happened in them, such as 2026-01-01T00:00:00Z")
    .option("--max-members <number>", "how many members they may have", wholeNumber, 0)
    .option("--delete", "delete them")
    .action(
      lists({ DOMAIN: (name: string) => name }, (operator, options: IdleOptions) =>
        operator.deleteIdleDomains({
          idleSince: options.since,
          maxMembers: options.maxMembers,
          dryRun: !options.delete,
        }),
      ),
    );
  listCommand(domains, "deletions", "list the domains that were deleted").action(
    lists(DELETIONS, (operator) => operator.deletions()),
  );
}

type IdleOptions = Readonly<{ since: string; maxMembers: number; delete?: boolean }>;

function addDevices(admin: Command, { tells, lists }: AdminActions): void {
  listCommand(admin, "members <domain>", "list the members of a domain").action(
    lists(MEMBERS, (operator, name: string) => operator.domain(name).members()),
  );
  command(admin, "evict <domain> <device>", `remove a member, ${DEVICE}; it may join again`).action(
    tells(async (operator, name: string, device: string) => {
      const json = await operator.domain(name).evict(device);
      return { json, sentence: `The device is evicted from ${name}.${lag(json)}` };
    }),
  );
  command(admin, "ban <domain> <device>", `keep a device out of a domain, ${DEVICE}`)
    .requiredOption("--reason <text>", "why, for operators to read")
    .action(
      tells(async (operator, name: string, device: string, { reason }: { reason: string }) => {
        const json = await operator.domain(name).ban(device, reason);
        return { json, sentence: `The device is banned from ${name}.${lag(json)}` };
      }),
    );
  command(admin, "unban <domain> <device>", `let a banned device come back, ${DEVICE}`).action(
    tells(async (operator, name: string, device: string) => {
      const json = await operator.domain(name).unban(device);
      return { json, sentence: `The device may join ${name} again.${lag(json)}` };
    }),
  );
  listCommand(admin, "bans <domain>", "list the devices that are kept out of a domain").action(
    lists(BANS, (operator, name: string) => operator.domain(name).bans()),
  );
}

function addKeys(admin: Command, { tells, lists }: AdminActions): void {
  listCommand(admin, "keys <domain>", "list the key versions of a domain, newest first").action(
    lists(KEYS, (operator, name: string) => operator.domain(name).keys()),
  );
  command(admin, "rollover <domain>", "have a new domain key made")
    .option("--later", "by the next registration, rather than now")
    .action(
      tells(async (operator, name: string, { later = false }: { later?: boolean }) => {
        const json = await operator.domain(name).rollOver(later ? "next-registration" : "now");
        const sentence = later
          ? "The next registration makes a new key"
          : `The newest key is version ${json.keyVersion}`;
        return { json, sentence: `${sentence}.` };
      }),
    );
  command(admin, "retire <domain>", "stop handing out old keys, or hand them out again")
    .option("--up-to <version>", "the highest retired key version; a lower one brings keys back", wholeNumber)
    .option("--older-than-days <days>", "retire the keys that were replaced so many days ago", wholeNumber)
    .action(
      tells(async (operator, name: string, keys: { upTo?: number; olderThanDays?: number }, self: Command) => {
        const { upTo, olderThanDays } = keys;
        if ((upTo === undefined) === (olderThanDays === undefined)) {
          self.error("error: give either --up-to or --older-than-days");
        }
        const domain = operator.domain(name);
        const json = await domain.retireKeys(
          upTo === undefined ? { olderThanDays: olderThanDays as number } : { upTo },
        );
        const { retiredUpTo } = json;
        const sentence = retiredUpTo === 0 ? "No key is retired." : `Keys up to version ${retiredUpTo} are retired.`;
        return { json, sentence };
      }),
    );
  command(admin, "rewrap", "wrap all domain keys with the first key-encryption key").action(
    tells(async (operator) => {
      let rewrapped = 0;
      for (;;) {
        const json = await operator.rewrapKeys();
        rewrapped += json.rewrapped;
        // A key that does not open now does not open in the next round either.
        if (!json.done && json.rewrapped > 0) continue;
        const sentence = `${rewrapped} keys were wrapped anew; ${json.done ? "all are" : "some are not"} wrapped with ${json.currentKid}.`;
        const failure = json.done ? null : new CommandError("PARTLY_DONE", KEEP_OLD_KEYS);
        return { json: { ...json, rewrapped }, sentence, failure };
      }
    }),
  );
}

function addRecords(admin: Command, { tells, lists, exports }: AdminActions): void {
  listCommand(admin, "log <domain>", "show what happened in a domain, newest first")
    .option("--oldest", "show the oldest entry first")
    .action(
      lists(LOG, (operator, name: string, { oldest = false }: { oldest?: boolean }) =>
        operator.domain(name).log({ order: oldest ? "oldest" : "newest" }),
      ),
    );
  command(admin, "export <domain>", "print a domain's whole log as JSON Lines, oldest entry first")
    .option("--after <revision>", "leave out the entries up to this revision", wholeNumber, 0)
    .action(
      exports((operator, name: string, { after }: { after: number }) => operator.domain(name).exportLog({ after })),
    );
  daysCommand(admin, "activity <domain>", "show how many devices joined and left, day by day").action(
    lists(ACTIVITY, async function* (operator, name: string, { days }: { days: number }) {
      yield* (await operator.domain(name).activity({ days })).days;
    }),
  );
  daysCommand(admin, "refusals <domain>", "show how often each error refused a request, hour by hour").action(
    lists(REFUSALS, async function* (operator, name: string, { days }: { days: number }) {
      yield* (await operator.domain(name).activity({ days })).refusals;
    }),
  );
  command(admin, "copy <domain>", "write what the database lacks of a domain").action(
    tells(async (operator, name: string) => {
      const json = await operator.domain(name).copy();
      return { json, sentence: `The database has revision ${json.copiedRevision} of ${name}, the newest.` };
    }),
  );
  command(admin, "health", "show how the server is, and how far the database is behind").action(
    tells(async (operator) => {
      const json = await operator.health();
      const failure = json.status === "ok" ? null : new CommandError("UNHEALTHY", "The server is not healthy.");
      return { json, failure };
    }),
  );
}

function daysCommand(parent: Command, usage: string, description: string): Command {
  return listCommand(parent, usage, description).option(
    "--days <number>",
    "how many days to show, including today",
    wholeNumber,
    30,
  );
}

/** That lists may still be without a change. */
function lag({ copied }: Readonly<{ copied: boolean }>): string {
  return copied ? "" : " The database follows in a moment: until then, lists show the state before.";
}
