// `npm run copy`: has every domain compared with the database, and what the database lacks of it written there.
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { givenVariable, SECRETS_FILE } from "./local-secrets.ts";

const USAGE = `usage: npm run copy [-- --server URL]
Asks as the operator with ADMIN_TOKEN, from the environment or from ${SECRETS_FILE}.`;

/** How many domains are compared at once, and after how many its progress is told. */
const AT_ONCE = 8;
const TOLD_EVERY = 100;
/** How often a domain is asked that cannot be served at the moment. */
const TRIES = 5;

const { server } = options();
const token = givenVariable("ADMIN_TOKEN") ?? give(`ADMIN_TOKEN is not set, and not in ${SECRETS_FILE}.`);
const counts = { copied: 0, failed: 0 };

const domains = allDomains();
await Promise.all(Array.from({ length: AT_ONCE }, () => copyDomains()));
tell();
process.exit(counts.failed === 0 ? 0 : 1);

/** Takes domains and has them copied, until there are no more. */
async function copyDomains(): Promise<void> {
  // Not for await: that would end the generator for the others.
  for (let next = await domains.next(); !next.done; next = await domains.next()) {
    const failure = await copyDomain(next.value);
    if (failure === null) counts.copied++;
    else {
      counts.failed++;
      console.error(`${next.value} was not copied: ${failure}`);
    }
    if ((counts.copied + counts.failed) % TOLD_EVERY === 0) tell();
  }
}

/** @returns why it failed; null if it did not */
async function copyDomain(domain: string): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    const response = await ask("POST", `/admin/domains/${encodeURIComponent(domain)}/copy`);
    if (typeof response === "string") return response;
    if (response.ok) {
      await response.body?.cancel();
      return null;
    }
    const seconds = Number(response.headers.get("retry-after"));
    if (attempt === TRIES || !seconds) return refusal(response);
    await response.body?.cancel();
    await delay(seconds * 1000);
  }
}

/** The names of all domains that the database has. */
async function* allDomains(): AsyncGenerator<string> {
  for (let cursor: string | null = ""; cursor !== null; ) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await ask("GET", `/admin/domains?limit=200${query}`);
    if (typeof response === "string") give(response);
    if (!response.ok) give(`The domains cannot be listed: ${await refusal(response)}`);
    const page = (await response.json()) as { domains: { domain: string }[]; nextCursor: string | null };
    for (const { domain } of page.domains) yield domain;
    cursor = page.nextCursor;
  }
}

/** @returns the response; one sentence if there is none */
async function ask(method: string, path: string): Promise<Response | string> {
  try {
    return await fetch(new URL(path, server), { method, headers: { authorization: `Bearer ${token}` } });
  } catch {
    return `${server} cannot be reached.`;
  }
}

async function refusal(response: Response): Promise<string> {
  const { error, title } = (await response.json().catch(() => ({}))) as { error?: string; title?: string };
  return `${response.status} ${error ?? ""}${title === undefined ? "" : ` (${title})`}`;
}

function tell(): void {
  console.log(`${counts.copied} domains are copied, ${counts.failed} failed.`);
}

function options() {
  const local = `http://localhost:${process.env.PORT ?? "8787"}`;
  try {
    return parseArgs({ options: { server: { type: "string", default: local } }, strict: true }).values;
  } catch {
    return give(USAGE);
  }
}

function give(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
