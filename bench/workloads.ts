import type { Traffic } from "./load/jobs.ts";

/** One kind of traffic that the variants are compared under. */
export type Workload = Readonly<{
  name: string;
  /** The traffic of one round; `place` names its domain or domains. */
  traffic: (place: string) => Traffic;
  /** Whether each round takes a new place, because a round leaves its domain another than it was. */
  placePerRound?: boolean;
  /** How many members the domain has beforehand; without this it does not exist yet. */
  members?: number;
  /** How many requests come before those that count, in every round: they wake the objects that went to sleep. */
  wakeUp?: number;
  /** The requests of a round; if left out, as many as fit its time. */
  amount?: number;
  /** How many requests are in flight, if not as many as usual. */
  connections?: number;
}>;

const MEMBERS = 2_000;
const DOMAINS = 1_000;
/** One request at a time, so many a round. */
const ALONE = { connections: 1, amount: 150, wakeUp: 1 };

const joins = (domain: string) => ({ kind: "joins", domain }) as const;
/** Renewals by devices that hold the key. */
const renewals = (domain: string) => ({ kind: "renewals", domain, members: MEMBERS, afterKeyVersion: 1 }) as const;

/** Everything the variants are compared under. */
export const WORKLOADS = {
  joins: {
    name: "new joins, one domain",
    traffic: joins,
    placePerRound: true,
    // The birth of a domain is another workload.
    wakeUp: 1,
  },
  renewals: { name: "renewals, one domain", traffic: renewals, members: MEMBERS },
  loneJoins: { name: "lone joins, one domain", traffic: joins, ...ALONE },
  loneRenewals: { name: "lone renewals, one domain", traffic: renewals, members: MEMBERS, ...ALONE },
  spread: {
    name: `joins over ${DOMAINS.toLocaleString("en")} domains`,
    traffic: (prefix) => ({ kind: "spread", prefix, domains: DOMAINS }),
    // One for each: the runtime puts an object to sleep that was asked nothing for some seconds.
    wakeUp: DOMAINS,
  },
  mix: {
    name: "90 renewals, 9 joins, 1 leave, one domain",
    traffic: (domain) => ({ kind: "mix", domain, members: MEMBERS }),
    placePerRound: true,
    // Those that leave are not among those that renew.
    members: MEMBERS + 100,
    // Every leave is a key more for later joins to get: so each round has the same number of them.
    amount: 500,
  },
  newborn: {
    name: "first joins of newborn domains",
    traffic: (prefix) => ({ kind: "spread", prefix }),
    placePerRound: true,
  },
  signed: {
    name: "signed and sealed joins, one domain",
    traffic: (domain) => ({ kind: "signed", domain }),
    placePerRound: true,
  },
} as const satisfies Record<string, Workload>;

/** The name by which results refer to a workload. */
export type WorkloadKey = keyof typeof WORKLOADS;
