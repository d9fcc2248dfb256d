import type { Traffic } from "./load/jobs.ts";

/** One kind of traffic that the variants are compared under. */
export type Workload = Readonly<{
  name: string;
  /** The traffic of one round; `place` names its domain or domains. */
  traffic: (place: string) => Traffic;
  /** Whether all of it goes to one domain, where the literal Worker serves one request at a time. */
  oneDomain: boolean;
  /** Whether each round takes a new place, because a round leaves its domain another than it was. */
  placePerRound: boolean;
  /** How many members the domain has beforehand; without this it does not exist yet. */
  members?: number;
  /** How many requests come before those that count, in every round: they wake the objects that went to sleep. */
  wakeUp?: number;
  /** How many requests make a round; without this as many as fit its time. */
  amount?: number;
}>;

const MEMBERS = 2_000;

function spreadOver(domains: number) {
  return {
    name: `joins over ${domains.toLocaleString("en")} domains`,
    traffic: (prefix: string) => ({ kind: "spread", prefix, domains }) as const,
    oneDomain: false,
    placePerRound: false,
    // One for each: the runtime puts an object to sleep that was asked nothing for some seconds.
    wakeUp: domains,
  };
}

/** Everything the variants are compared under. */
export const WORKLOADS = {
  joins: {
    name: "new joins, one domain",
    traffic: (domain) => ({ kind: "joins", domain }),
    oneDomain: true,
    placePerRound: true,
  },
  renewals: {
    name: "renewals, one domain, holding the keys",
    traffic: (domain) => ({ kind: "renewals", domain, members: MEMBERS, afterKeyVersion: 1 }),
    oneDomain: true,
    placePerRound: false,
    members: MEMBERS,
  },
  fullRenewals: {
    name: "renewals, one domain, asking for all keys",
    traffic: (domain) => ({ kind: "renewals", domain, members: MEMBERS, afterKeyVersion: 0 }),
    oneDomain: true,
    placePerRound: false,
    members: MEMBERS,
  },
  mix: {
    name: "90 renewals, 9 joins, 1 leave, one domain",
    traffic: (domain) => ({ kind: "mix", domain, members: MEMBERS }),
    oneDomain: true,
    placePerRound: true,
    // Those that leave are not among those that renew.
    members: MEMBERS + 100,
    // Every leave is a key more for later joins to get: so each round has the same number of them.
    amount: 500,
  },
  spread: spreadOver(1_000),
  spreadThin: spreadOver(100),
  newborn: {
    name: "first joins of newborn domains",
    traffic: (prefix) => ({ kind: "newborn", prefix }),
    oneDomain: false,
    placePerRound: true,
  },
  signed: {
    name: "signed and sealed joins, one domain",
    traffic: (domain) => ({ kind: "signed", domain }),
    oneDomain: true,
    placePerRound: true,
  },
} as const satisfies Record<string, Workload>;

/** The name by which results refer to a workload. */
export type WorkloadKey = keyof typeof WORKLOADS;
