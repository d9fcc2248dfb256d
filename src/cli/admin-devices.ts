import type { Command } from "commander";
import type { FailedDomain, OperatedDevice, ServerWideEviction } from "../operator/index.ts";
import { type AdminActions, command, listCommand } from "./admin-actions.ts";
import { DOMAINS_OF_DEVICE, SERVER_WIDE_BANS } from "./admin-tables.ts";
import { CommandError } from "./failures.ts";

/** Adds what operators do with a device in all its domains. */
export function addDevicesAcrossDomains(admin: Command, { tells, lists }: AdminActions): void {
  const devices = admin.command("devices").description("find, evict and ban a device in all its domains");
  command(devices, "show <device>", "show a device's server-wide ban").action(
    tells(async (operator, device: string) => {
      const { domains: _, nextCursor: __, ...json } = await operator.device(device).overview();
      return { json };
    }),
  );
  listCommand(devices, "domains <device>", "list the domains that a device is a member of").action(
    lists(DOMAINS_OF_DEVICE, (operator, device: string) => operator.device(device).domains()),
  );
  command(devices, "evict <device>", "remove a device from all its domains; it may join again").action(
    tells(async (operator, device: string) => {
      const { evicted, failed, more } = await evictedFromAll(operator.device(device));
      const sentence = `The device is evicted from ${counted(evicted)}.`;
      const failure = partlyDone(failed, more && "It is a member of more domains: evict it again.");
      return { json: { evicted, failed }, sentence, failure };
    }),
  );
  command(devices, "ban <device>", "keep a device out of all domains")
    .requiredOption("--reason <text>", "why, for operators to read")
    .action(
      tells(async (operator, device: string, { reason }: { reason: string }) => {
        const json = await operator.device(device).ban(reason);
        const { banned, failed, more } = json.domains;
        const failure = partlyDone(failed, more && "It is a member of more domains: ban it again.");
        return { json, sentence: `The device is banned, and evicted from ${counted(banned)}.`, failure };
      }),
    );
  command(devices, "unban <device>", "let a device come back that was banned from all domains").action(
    tells(async (operator, device: string) => {
      const json = await operator.device(device).unban();
      const { failed, more } = json.domains;
      const failure = partlyDone(failed, more && "Some of its domains still keep it out: lift the ban again.");
      return { json, sentence: "The device may join again.", failure };
    }),
  );
  listCommand(devices, "bans", "list the devices that are kept out of all domains").action(
    lists(SERVER_WIDE_BANS, (operator) => operator.deviceBans()),
  );
}

/** Asks again as long as a request reaches further domains: the database, which knows them, may be behind. */
async function evictedFromAll(device: OperatedDevice): Promise<ServerWideEviction> {
  const evicted = new Set<string>();
  for (;;) {
    const before = evicted.size;
    const run = await device.evict();
    for (const domain of run.evicted) evicted.add(domain);
    if (!run.more || evicted.size === before) return { ...run, evicted: [...evicted] };
  }
}

/** What is left to do: the domains where it failed, and a sentence if there are more; null if all is done. */
function partlyDone(failed: readonly FailedDomain[], more: string | false): CommandError | null {
  const names = failed.map(({ domain, error }) => `${domain} (${error})`);
  const sentences = names.length > 0 ? [`Not done in ${names.join(", ")}. Try again later.`] : [];
  if (more) sentences.push(more);
  return sentences.length > 0 ? new CommandError("PARTLY_DONE", sentences) : null;
}

function counted(domains: readonly string[]): string {
  return domains.length === 1 ? "1 domain" : `${domains.length} domains`;
}
