import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { Command, CommanderError } from "commander";
import { DeviceDomainError } from "../client/client-errors.ts";
import { domainAddress } from "../client/domain-url.ts";
import { DomainOperator } from "../operator/index.ts";
import { addAdminCommands } from "./admin-commands.ts";
import { audit } from "./audit.ts";
import { addCompletionCommand } from "./completion.ts";
import { addConformanceCommand } from "./conformance/command.ts";
import { Device } from "./device.ts";
import { CommandError, EXIT, failureOf, reportOf } from "./failures.ts";
import { addDomainCommands } from "./home-domains.ts";
import { contentOf } from "./input-files.ts";
import { shown } from "./shown.ts";
import type { Options, Said, Surroundings } from "./surroundings.ts";

const { version: VERSION } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

const EXIT_CODES = `
Exit codes:
  ${EXIT.done}  done
  ${EXIT.failed}  something unexpected failed
  ${EXIT.usage}  usage error
  ${EXIT.refused}  the server refused
  ${EXIT.notNow}  not now: the same command may succeed later
  ${EXIT.notMember}  this device is not a member, or lacks the key
  ${EXIT.tampered}  an audit found that a log was tampered with
  ${EXIT.deviates}  a conformance run found that the server deviates from the protocol
  ${EXIT.interrupted}  interrupted by Ctrl-C

Environment:
  DEVICE_DOMAIN_HOME        where devices are kept (--home); ~/.device-domain by default
  DEVICE_DOMAIN_AUTH_TOKEN  an auth token (--auth-token)
  DEVICE_DOMAIN_SERVER      the server that an operator speaks to (--server)
  DEVICE_DOMAIN_ADMIN_TOKEN an operator's token (--admin-token)
`;

/** Runs the command line once. @returns the exit code */
export async function run(surroundings: Surroundings): Promise<number> {
  const program = programOf(surroundings);
  const waiting = setTimeout(
    () => surroundings.errors.write("Waiting for the server's response…\n"),
    SILENCE_MILLISECONDS,
  );
  try {
    const [asked] = program.parseOptions([...surroundings.arguments]).operands;
    if (asked !== undefined && asked !== "help" && !program.commands.some((each) => each.name() === asked)) {
      program.error(`error: unknown command '${shown(asked)}'`);
    }
    await program.parseAsync([...surroundings.arguments], { from: "user" });
    return EXIT.done;
  } catch (error) {
    // Commander has said already what is wrong with the command, or has shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const failure = failureOf(error);
    surroundings.errors.write(reportOf(failure, program.opts<Options>().json ?? false));
    return failure.exitCode;
  } finally {
    clearTimeout(waiting);
  }
}

/** After this time somebody who waits is told so. */
const SILENCE_MILLISECONDS = 1_000;

function programOf(surroundings: Surroundings): Command {
  const { output, errors, signal } = surroundings;
  const program = new Command("device-domain")
    .description(
      "Makes this machine a device of a domain: it joins, opens what is encrypted to the domain, and leaves. For operators, it works with the server's administration.",
    )
    .option("--home <directory>", "where to keep this device")
    .option("--domain <url>", "the domain's URL; by default the current domain (see `use`)")
    .option("--auth-token <token>", "an auth token, for domains that require one")
    .option("--json", "print JSON")
    .version(VERSION, "--version", "print the version")
    .configureOutput({ writeOut: (out) => output.write(out), writeErr: (err) => errors.write(err) })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", EXIT_CODES)
    .exitOverride();

  /** Adds a command that speaks of a device, and prints what it says. */
  const command = (usage: string, description: string, act: (device: Device, ...args: never[]) => Promise<Said>) =>
    program
      .command(usage)
      .description(description)
      .action(async (...args: unknown[]) => {
        const options = program.opts<Options>();
        const device = new Device(surroundings, options);
        say(await act(device, ...(args.slice(0, -1) as never[])), options.json ?? false);
      });

  const say = (said: Said, json: boolean) => {
    // The secret itself is passed through as it is: it may be for another program. On a terminal the prompt follows.
    if ("bytes" in said) {
      output.write(said.bytes);
      if (output.isTTY && said.bytes.at(-1) !== 0x0a) output.write("\n");
      return;
    }
    const lines = "lines" in said ? said.lines : [said.sentence];
    const text = lines.map((line) => emphasised(shown(line), output)).join("\n");
    output.write(`${json ? shown(JSON.stringify(said.json)) : text}\n`);
  };

  command("join <url>", "join a domain, such as https://host/domains/den", async (device, url: string) => {
    const domain = await device.open(url);
    const { newMember, keyVersion } = await domain.join({ signal });
    await device.home.setCurrentDomain(domainAddress(url).url);
    const sentence = `${newMember ? "Joined" : "Already a member of"} *${url}*, at key version ${keyVersion}.`;
    return { sentence, json: { domain: url, machineGuid: domain.machineGuid, newMember, keyVersion } };
  });

  command("renew", "fetch the keys that were made since", async (device) => {
    const { domain, url } = await device.current();
    const before = domain.currentKeyVersion;
    const { newMember, keyVersion } = await domain.renew({ signal });
    const change = before === keyVersion ? "there is no newer key" : `the newest key is now version ${keyVersion}`;
    const did = newMember ? `Had been removed from *${url}*, and joined again` : `Renewed in *${url}*`;
    return { sentence: `${did}: ${change}.`, json: { domain: url, newMember, keyVersion, previous: before } };
  });

  command("leave", "leave the domain, and erase its keys here", async (device, { preview }: { preview?: boolean }) => {
    const { domain, url } = await device.current();
    if (preview) {
      if (!(await domain.previewLeave({ signal }))) {
        throw new DeviceDomainError("NOT_A_MEMBER", `The server knows no such member of ${url}`);
      }
      return {
        sentence: `This device may leave *${url}*. It is still a member.`,
        json: { domain: url, preview: true, left: false },
      };
    }
    await domain.leave({ signal });
    return { sentence: `Left *${url}*. Its keys are erased here.`, json: { domain: url, preview: false, left: true } };
  }).option("--preview", "only ask whether it may leave");

  command("status", "show this device's membership, without asking the server", async (device) => {
    const { url, state } = await device.remembered();
    const newest = state.credentials.at(-1);
    const keyVersion = newest?.keyVersion ?? null;
    const expiresAt = newest ? new Date(newest.expiresAt).toISOString() : null;
    const until = expiresAt === null ? "" : `, its token good until ${expiresAt}`;
    const STANDINGS = {
      new: "has not joined",
      member: `is a member of *${url}*, at key version ${keyVersion}${until}`,
      leaving: `was leaving *${url}* when it was interrupted; finish with: device-domain leave`,
      left: `has left *${url}*`,
      removed: `was removed from *${url}*; try again with: device-domain join ${url}`,
    };
    return {
      sentence: `The device ${state.machineGuid.slice(0, 8)}… ${STANDINGS[state.status]}.`,
      json: { domain: url, machineGuid: state.machineGuid, status: state.status, keyVersion, expiresAt },
    };
  });

  command(
    "decrypt <file>",
    "open what was encrypted to the domain (- for standard input), and print its bytes as they are",
    async (device, file: string) => {
      const jwe = (file === "-" ? await text(surroundings.input) : await contentOf(file)).trim();
      const { domain } = await device.current();
      return { bytes: await domain.decrypt(jwe, { signal }) };
    },
  );

  command("token", "print the domain token of the newest key", async (device) => {
    const { url, state } = await device.remembered();
    const newest = state.credentials.at(-1);
    if (!newest) throw new DeviceDomainError("NOT_A_MEMBER", "This device holds no domain token");
    const { token, keyVersion, expiresAt } = newest;
    if (expiresAt <= Date.now()) throw new DeviceDomainError("DOMAIN_TOKEN_EXPIRED", "The domain token has expired");
    return {
      sentence: token,
      json: { domain: url, keyVersion, token, expiresAt: new Date(expiresAt).toISOString() },
    };
  });

  addDomainCommands(command, surroundings);

  program
    .command("audit <url>")
    .description("check a domain's log: its hashes, what was signed of it, and whether it led to the present state")
    .option("--admin-token <token>", "an operator's token")
    .option("--head <file>", "an earlier audit's --json output, or the head in it")
    .option("--archive <file>", "an earlier export of the log, if it was cut since")
    .action(async (url: string, options: { adminToken?: string; head?: string; archive?: string }) => {
      const token = options.adminToken ?? surroundings.environment.DEVICE_DOMAIN_ADMIN_TOKEN ?? "";
      const { origin, domain } = domainAddress(url);
      const operator = new DomainOperator(origin, { token, signal });
      const findings = await audit(operator, operator.domain(domain), options, contentOf);
      if (findings.problems.length > 0) throw new CommandError("LOG_NOT_WHOLE", findings.problems);
      const { entries, members, keyVersion } = findings;
      const sentence = `The log of *${url}* is whole: ${entries} ${entries === 1 ? "entry leads" : "entries lead"} to its ${members} ${members === 1 ? "member" : "members"} and key version ${keyVersion}.`;
      say({ sentence, json: { ...findings } }, program.opts<Options>().json ?? false);
    });

  addConformanceCommand(program, surroundings);
  addAdminCommands(program, surroundings);
  addCompletionCommand(program, output);
  return program;
}

/** Shows text between asterisks in bold on a terminal, and plain anywhere else. */
function emphasised(sentence: string, output: Surroundings["output"]): string {
  const [on, off] = output.isTTY && !process.env.NO_COLOR ? ["\u001b[1m", "\u001b[22m"] : ["", ""];
  return sentence.replace(/\*([^*]+)\*/g, `${on}$1${off}`);
}
