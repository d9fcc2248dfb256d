import type { Origin } from "../report/files.ts";
import type { AttackOutcome } from "./attack.ts";
import { MAX_REQUESTS, type Opening } from "./licences.ts";
import type { Life } from "./life.ts";
import { oversized } from "./newcomers.ts";
import type { StorageUse } from "./storage.ts";
import type { TwinComparison } from "./twins.ts";

/** The licences that opened, and in words those that did not. */
export type Openings = Readonly<{ opened: readonly Opening[]; failures: readonly string[] }>;

/** An attack, and how much storage each of its requests took. */
export type Attack = AttackOutcome & Readonly<{ objectGrowth: StorageUse; databaseGrowth: StorageUse }>;

/** Everything that one run found out. */
export type YearResults = Origin &
  Life &
  Readonly<{ members: number; openings: Openings; comparison: TwinComparison; attacks: readonly Attack[] }>;

/** In words, everything that failed and is no matter of speed. */
export function failuresOf({ points, openings, attacks }: YearResults): readonly string[] {
  return [
    ...points.flatMap(({ keyVersions, sizes }) => oversized(sizes, `at ${keyVersions} key versions`)),
    ...openings.failures,
    ...openings.opened.flatMap(({ keyVersion, hintedRequests, unhintedRequests }) => {
      const requests = Math.max(hintedRequests, unhintedRequests);
      return requests > MAX_REQUESTS ? [`the licence of key version ${keyVersion} took ${requests} requests`] : [];
    }),
    ...attacks.flatMap(({ failures }) => failures),
  ];
}
