import { setTimeout as delay } from "node:timers/promises";
import type { ModelServer } from "./server.ts";

/** Longer than the copy of the next domain takes: an object whose hand-over was lost begins anew after some seconds. */
const PATIENCE_MILLISECONDS = 20_000;
const PAUSE_MILLISECONDS = 100;

/**
 * Waits until D1 has what the objects of all domains have.
 *
 * @param patience for how many milliseconds no further domain may come to be copied
 * @returns in words, where D1 still differs then
 */
export async function uncopied(server: ModelServer, patience = PATIENCE_MILLISECONDS): Promise<readonly string[]> {
  let deadline = Date.now() + patience;
  let differing: readonly string[] = server.objects.domains();
  for (;;) {
    const left = differing.filter((domain) => !isCopied(server, domain));
    if (left.length === 0) break;
    if (left.length < differing.length) deadline = Date.now() + patience;
    if (Date.now() > deadline) return left.slice(0, 3).map((domain) => difference(server, domain));
    differing = left;
    await delay(PAUSE_MILLISECONDS);
  }
  const known = new Set(server.objects.domains());
  const strange = server.database.domains().filter((domain) => !known.has(domain));
  return strange.map((domain) => `${domain}: D1 knows a domain that does not exist`);
}

/** Whether D1 has what the object of a domain has. */
export function isCopied({ objects, database }: ModelServer, domain: string): boolean {
  return JSON.stringify(database.domain(domain)) === JSON.stringify(objects.copied(domain));
}

function difference({ objects, database }: ModelServer, domain: string): string {
  const [copy, truth] = [database.domain(domain), objects.copied(domain)];
  const tables = (Object.keys(truth) as (keyof typeof truth)[]).filter(
    (table) => JSON.stringify(copy[table]) !== JSON.stringify(truth[table]),
  );
  const of = (rows: typeof truth) => JSON.stringify(Object.fromEntries(tables.map((table) => [table, rows[table]])));
  return `${domain}: the copy has ${of(copy)}, and the object ${of(truth)}`;
}
