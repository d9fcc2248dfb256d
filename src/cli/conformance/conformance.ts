import { ADMINISTRATION } from "./administration.ts";
import { AUTHENTICATION } from "./authentication-checks.ts";
import { DEREGISTRATION } from "./deregistration-checks.ts";
import { ERRORS } from "./error-checks.ts";
import type { Check } from "./expectations.ts";
import { KEYS } from "./key-checks.ts";
import { REGISTRATION } from "./registration-checks.ts";
import { SIGNED_REQUESTS } from "./signed-requests.ts";
import { type Access, TestedServer } from "./tested-server.ts";

/** The result of one check. */
export type Result = Readonly<{
  /** The name of its function. */
  check: string;
  section: string;
  rule: string;
  result: "passed" | "failed" | "skipped";
  /** How the server deviates, or why the check was skipped; null if it passed. */
  finding: string | null;
}>;

/** All checks, in the order of the contract. */
export const CHECKS: readonly Check[] = [
  ...REGISTRATION,
  ...AUTHENTICATION,
  ...DEREGISTRATION,
  ...SIGNED_REQUESTS,
  ...KEYS,
  ...ADMINISTRATION,
  ...ERRORS,
];

/** The result of a run. */
export type Conformance = Readonly<{
  server: string;
  passed: number;
  failed: number;
  skipped: number;
  results: readonly Result[];
  /** The domains that could not be removed. */
  domainsLeft: readonly string[];
}>;

/**
 * Holds a server to the protocol, and cleans up.
 *
 * @throws OperatorError `INVALID_SERVER_URL`; DeviceDomainError `UNREACHABLE`; the signal's reason
 */
export async function conformance(
  url: string,
  access: Access,
  checks: readonly Check[] = CHECKS,
): Promise<Conformance> {
  const server = new TestedServer(url, access);
  await server.expectReachable();
  const results: Result[] = [];
  let domainsLeft: readonly string[] = [];
  try {
    for (const check of checks) results.push(await resultOf(check, server, access.signal));
  } finally {
    domainsLeft = await server.cleanUp();
  }
  const count = (result: Result["result"]) => results.filter((each) => each.result === result).length;
  const counts = { passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
  return { server: server.origin, ...counts, results, domainsLeft };
}

async function resultOf(
  { section, rule, needs = [], prove }: Check,
  server: TestedServer,
  signal: AbortSignal | undefined,
): Promise<Result> {
  const what = { check: prove.name, section, rule };
  const missing = needs.filter((credential) => !server.has(credential));
  if (missing.length > 0) return { ...what, result: "skipped", finding: `needs an ${missing.join(" and an ")}` };
  try {
    await prove(server);
    return { ...what, result: "passed", finding: null };
  } catch (error) {
    signal?.throwIfAborted();
    // Any other error comes of a response of an unexpected shape.
    return { ...what, result: "failed", finding: (error as Error).message };
  }
}
