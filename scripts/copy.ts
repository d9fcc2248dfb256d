// `npm run copy`: has every domain compared with the database, and what the database lacks of it written there.
import { DomainOperator, OperatorError } from "../src/operator/index.ts";
import { givenVariable, SECRETS_FILE } from "./local-secrets.ts";
import { give, scriptOptions } from "./script-options.ts";

/** How many domains are compared at once, and after how many its progress is told. */
const AT_ONCE = 8;
const TOLD_EVERY = 100;

const { server } = scriptOptions<{ server: string }>(
  "copy",
  "Has every domain compared with the database, and copied.",
  [["--server <url>", "the server", `http://localhost:${process.env.PORT ?? "8787"}`]],
  `Asks as the operator with ADMIN_TOKEN, from the environment or from ${SECRETS_FILE}.`,
);
const token = givenVariable("ADMIN_TOKEN") ?? give(`ADMIN_TOKEN is not set, and not in ${SECRETS_FILE}.`);
const operator = new DomainOperator(server, { token });
const counts = { copied: 0, failed: 0 };

const domains = operator.domains()[Symbol.asyncIterator]();
await Promise.all(Array.from({ length: AT_ONCE }, () => copyDomains()));
tell();
process.exit(counts.failed === 0 ? 0 : 1);

/** Takes domains and has them copied, until there are no more. */
async function copyDomains(): Promise<void> {
  // Not for await: that would end the iterator for the others.
  for (let next = await following(); !next.done; next = await following()) {
    const { domain } = next.value;
    const failure = await operator
      .domain(domain)
      .copy()
      .then(() => null, sentenceOf);
    if (failure === null) counts.copied++;
    else {
      counts.failed++;
      console.error(`${domain} was not copied: ${failure}`);
    }
    if ((counts.copied + counts.failed) % TOLD_EVERY === 0) tell();
  }
}

function following() {
  return domains.next().catch((error) => {
    const sentence = sentenceOf(error);
    return give(isUnreachable(error) ? sentence : `The domains cannot be listed: ${sentence}`);
  });
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof OperatorError)) throw error;
  const { status, error: name, title } = error;
  return isUnreachable(error) ? `${server} cannot be reached.` : `${status} ${name} (${title})`;
}

function isUnreachable(error: unknown): boolean {
  return error instanceof OperatorError && error.error === "UNREACHABLE";
}

function tell(): void {
  console.log(`${counts.copied} domains are copied, ${counts.failed} failed.`);
}
