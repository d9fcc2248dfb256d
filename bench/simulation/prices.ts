// Sizes and rows are those measured in docs/scaling.md; prices are Cloudflare's, as listed there. In dollars a month.

const OBJECT_BYTES = 78_000;
const DATABASE_DOMAIN_BYTES = 1_201;
const DATABASE_MEMBER_BYTES = 139;
const DATABASE_KEY_BYTES = 868;
/** The size at which a database takes no new domains any more. */
const FULL_DATABASE_BYTES = 7e9;

/** Dollars for a million of each. */
const RENEWAL = 4.65;
const JOIN = 17.08;
const PREMIERE_JOIN = 6.94;
const LOOK = 10;
const OBJECT_GIGABYTE = 0.2;
const DATABASE_GIGABYTE = 0.75;

/** A service in its second year. */
export type Service = Readonly<{
  households: number;
  membersPerHousehold: number;
  keysPerHousehold: number;
  renewalsAMonth: number;
  joinsAndLeavesAMonth: number;
  premiereJoins: number;
}>;

/** The bytes of all rows in D1, and how many databases they fill. */
export function databaseSize({ households, membersPerHousehold, keysPerHousehold }: Service) {
  const each =
    DATABASE_DOMAIN_BYTES +
    (membersPerHousehold - 1) * DATABASE_MEMBER_BYTES +
    (keysPerHousehold - 1) * DATABASE_KEY_BYTES;
  const bytes = households * each;
  return { bytes, databases: Math.ceil(bytes / FULL_DATABASE_BYTES) };
}

/** The cost of a month, in dollars, by item. */
export function monthlyCost(service: Service): Readonly<Record<string, number>> {
  const { households, renewalsAMonth, joinsAndLeavesAMonth, premiereJoins } = service;
  return {
    renewals: (renewalsAMonth / 1e6) * RENEWAL,
    "joins and leaves": (joinsAndLeavesAMonth / 1e6) * JOIN,
    "the premieres": (premiereJoins / 1e6) * PREMIERE_JOIN,
    "weekly looks of idle objects": (households / 1e6) * LOOK,
    "storage of objects": ((households * OBJECT_BYTES) / 1e9) * OBJECT_GIGABYTE,
    "storage of D1": (databaseSize(service).bytes / 1e9) * DATABASE_GIGABYTE,
  };
}
