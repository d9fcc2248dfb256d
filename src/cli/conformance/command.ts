import type { Command } from "commander";
import { CommandError } from "../failures.ts";
import { shown } from "../shown.ts";
import type { Options, Surroundings } from "../surroundings.ts";
import { tableLines } from "../table.ts";
import { type Conformance, conformance, type Result } from "./conformance.ts";

type ConformanceOptions = Options & Readonly<{ adminToken?: string }>;

/** Adds the command that holds a server to the protocol. */
export function addConformanceCommand(program: Command, { environment, output, signal }: Surroundings): void {
  const print = (line: string) => output.write(`${shown(line)}\n`);
  program
    .command("conformance <url>")
    .description("test a server against the protocol; creates test domains and deletes them")
    .option("--admin-token <token>", "an operator's token: proves more, and has the domains deleted")
    .action(async (url: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ConformanceOptions>();
      const adminToken = options.adminToken ?? environment.DEVICE_DOMAIN_ADMIN_TOKEN;
      const authToken = options.authToken ?? environment.DEVICE_DOMAIN_AUTH_TOKEN;
      const found = await conformance(url, { adminToken, authToken, signal });
      if (options.json) print(JSON.stringify(found));
      else for await (const line of linesOf(found)) print(line);
      const checks = found.failed === 1 ? "1 check" : `${found.failed} checks`;
      const sentence = `The server deviates from the protocol: ${checks} failed.`;
      if (found.failed > 0) throw new CommandError("NOT_CONFORMING", sentence);
    });
}

async function* linesOf({ server, results, domainsLeft, ...counts }: Conformance): AsyncGenerator<string> {
  yield* tableLines(["RESULT", "SECTION", "RULE", "FINDING"], rowsOf(results));
  yield `${server}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped.`;
  const left = domainsLeft.length;
  if (left > 0) {
    const remain = left === 1 ? "test domain remains" : "test domains remain";
    yield `${left} ${remain}, without members. Use --admin-token to have ${left === 1 ? "it" : "them"} deleted.`;
  }
}

async function* rowsOf(results: readonly Result[]) {
  for (const { result, section, rule, finding } of results) yield [result, section, rule, finding];
}
