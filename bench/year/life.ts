import { peakMemoryBytes, resetPeakMemory } from "../../scripts/processes.ts";
import { Connection } from "../../test/support/node/connection.ts";
import { type BenchServer, ISOLATE } from "../bench-server.ts";
import { Inspector } from "../inspector.ts";
import { memberGuid } from "../load/jobs.ts";
import { populate, send } from "../population.ts";
import { issue, type Licence, type Place } from "./licences.ts";
import { newcomerSizes, type ResponseSizes } from "./newcomers.ts";
import { usedBytes } from "./storage.ts";

/** The domain that lives through the year, and one with the same members that keeps its first key. */
export const TWINS = ["year", "twin"] as const;

/** How the domain stood at one point of the year. */
export type YearPoint = Readonly<{
  keyVersions: number;
  sizes: ResponseSizes;
  /** The most memory that workerd held since the point before. */
  peakMemoryBytes: number;
  /** The heap of the Worker and its objects after a garbage collection. */
  heapBytes: number;
  /** The storage of the objects of the domain and its twin. */
  objectBytes: number;
  twinObjectBytes: number;
}>;

/** The result of the year. */
export type Life = Readonly<{
  points: readonly YearPoint[];
  licences: readonly Licence[];
  /** How many devices left, and how many joined. */
  changes: number;
  /** How long the leaves and joins took, without what was measured in between. */
  seconds: number;
}>;

/** How many devices leave at once, and how many join at once after them. */
const AT_ONCE = 4;
const POINTS = 10;
const LICENCES = 20;
const YEAR_SECONDS = 31_536_000;
const WAKE_MILLISECONDS = 200;

/** Makes both domains by take-over. The twin postpones its rollovers to the end of the year. */
export async function makeTwins(server: BenchServer, members: number, adminToken: string): Promise<void> {
  for (const domain of TWINS) await populate(server, domain, members);
  const response = await fetch(`${server.origin}/admin/domains/${TWINS[1]}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ rolloverIntervalSeconds: YEAR_SECONDS }),
  });
  if (!response.ok) throw new Error(`the twin could not be configured: ${response.status} ${await response.text()}`);
}

/**
 * Has devices leave and join both domains alike until the first has so many key versions.
 *
 * @param reached told each version at which something is measured
 */
export async function live(
  server: BenchServer,
  place: Place,
  members: number,
  versions: number,
  reached: (keyVersion: number) => void,
): Promise<Life> {
  const [pointsAt, licencesAt] = [spread(versions, POINTS), spread(versions, LICENCES)];
  const churns = TWINS.map((domain) => churnOf(server.origin, domain, members));
  const points: YearPoint[] = [];
  const licences: Licence[] = [];
  let [keyVersion, changes, milliseconds] = [1, 0, 0];
  resetPeakMemory(server.pid);
  for (;;) {
    if (licencesAt.has(keyVersion)) licences.push(await issue(place));
    if (pointsAt.has(keyVersion)) {
      reached(keyVersion);
      points.push(await pointOf(server, keyVersion));
    }
    if (keyVersion >= versions) break;
    const start = performance.now();
    const [next, twins] = await Promise.all(churns.map((churn) => churn()));
    milliseconds += performance.now() - start;
    changes += AT_ONCE;
    if (next !== keyVersion + 1 || twins !== 1) throw new Error(`version ${keyVersion} became ${next}, and 1 ${twins}`);
    keyVersion = next;
  }
  return { points, licences, changes, seconds: milliseconds / 1000 };
}

/**
 * Has the oldest members of a domain leave, then as many new devices join.
 *
 * @param members how many the domain has
 * @returns does it once, and gives the key version after it
 */
function churnOf(origin: string, domain: string, members: number): () => Promise<number> {
  const connections = Array.from({ length: AT_ONCE }, () => new Connection(origin));
  let [oldest, next] = [0, members];
  const each = (action: "register" | "deregister", device: () => object) =>
    Promise.all(connections.map((connection) => send(connection, domain, action, device())));
  return async () => {
    await each("deregister", () => ({ machineGuid: memberGuid(oldest++) }));
    const joined = await each("register", () => ({ machineGuid: memberGuid(next++), credentials: "newest" }));
    return Math.max(...joined.map((body) => (JSON.parse(body) as { keyVersion: number }).keyVersion));
  };
}

/** The first version, and every so many after it up to the last. */
function spread(versions: number, parts: number): ReadonlySet<number> {
  return new Set(Array.from({ length: parts + 1 }, (_, index) => Math.max(1, Math.round((versions * index) / parts))));
}

async function pointOf(server: BenchServer, keyVersions: number): Promise<YearPoint> {
  const peak = peakMemoryBytes(server.pid);
  const connection = new Connection(server.origin);
  const sizes = await newcomerSizes(connection, TWINS[0]);
  connection.close();
  await server.readMeter();
  const point = {
    keyVersions,
    sizes,
    peakMemoryBytes: peak,
    heapBytes: await heapBytes(server),
    objectBytes: usedBytes(server.objectFile(TWINS[0])),
    twinObjectBytes: usedBytes(server.objectFile(TWINS[1])),
  };
  resetPeakMemory(server.pid);
  return point;
}

async function heapBytes({ inspectorUrl, origin }: BenchServer): Promise<number> {
  const inspector = await Inspector.of(await inspectorUrl(), ISOLATE);
  // An isolate that has nothing to do may leave its inspector's messages lying.
  const wake = setInterval(() => fetch(`${origin}/domains/nothing`).catch(() => {}), WAKE_MILLISECONDS);
  try {
    await inspector.call("HeapProfiler.collectGarbage");
    return (await inspector.call<{ usedSize: number }>("Runtime.getHeapUsage")).usedSize;
  } finally {
    clearInterval(wake);
    inspector.close();
  }
}
