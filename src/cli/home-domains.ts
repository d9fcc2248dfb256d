import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import type { Command } from "commander";
import { DeviceDomainError } from "../client/client-errors.ts";
import { domainAddress } from "../client/domain-url.ts";
import { encryptToDomain, verifyDomainToken } from "../licence/index.ts";
import type { Device } from "./device.ts";
import { unreadable } from "./input-files.ts";
import type { Said, Surroundings } from "./surroundings.ts";

/** Adds a command that speaks of a device, and prints what it says. */
type AddCommand = (
  usage: string,
  description: string,
  act: (device: Device, ...args: never[]) => Promise<Said>,
) => Command;

/** Adds what is done with the domains that devices are kept of here: list them, choose one, encrypt to it. */
export function addDomainCommands(command: AddCommand, { input, signal }: Surroundings): void {
  command("list", "list the domains that devices are kept of here", async (device) => {
    const current = await device.home.currentDomain();
    const all = await device.all();
    const lines = all.map(
      ({ domainUrl, state }) => `${domainUrl === current ? "* " : "  "}${domainUrl} (${state.status})`,
    );
    const domains = all.map(({ domainUrl, state }) => ({
      domain: domainUrl,
      status: state.status,
      current: domainUrl === current,
    }));
    return { lines: lines.length === 0 ? ["No device is kept here."] : lines, json: { domains } };
  });

  command("use <url>", "make another domain the current one", async (device, url: string) => {
    const { url: domain } = domainAddress(url);
    if (!(await device.all()).some(({ domainUrl }) => domainUrl === domain)) {
      throw new DeviceDomainError("NOT_A_MEMBER", `This device has not joined ${url}`);
    }
    await device.home.setCurrentDomain(domain);
    return { sentence: `The current domain is now *${url}*.`, json: { domain } };
  });

  command(
    "encrypt <file>",
    "encrypt to the domain, as a licence server does (- for standard input), and print the JWE",
    async (device, file: string) => {
      const { url } = await device.remembered();
      const secret = file === "-" ? await buffer(input) : await readFile(file).catch(unreadable(file));
      const jwe = await encryptToDomain(url, new Uint8Array(secret), { signal });
      return { sentence: jwe, json: { domain: url, jwe } };
    },
  );

  command(
    "verify <token>",
    "check a domain token against the server of the domain, and print its claims",
    async (device, token: string) => {
      const { url } = await device.remembered();
      const { origin, domain } = domainAddress(url);
      const claims = await verifyDomainToken(token, { authority: origin, domain, signal });
      return { sentence: JSON.stringify(claims), json: { ...claims } };
    },
  );
}
