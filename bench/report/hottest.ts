import type { Profiler } from "node:inspector";
import type { SourceMap, SourceMapping } from "node:module";
import { figure, markdownTable } from "./markdown.ts";

const SHOWN = 40;
/** The profile's names for time in which no code of the isolate runs. */
const IDLE = ["(idle)", "(program)", "(root)"];

/**
 * The functions that a profile spent most time in: each alone and with callees, for each request in microseconds; and the
 * server's own, each with what it called in libraries and in the runtime, as shares of the busy time.
 *
 * @returns also the time in which the isolate ran code of its own
 */
export function hottest({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile, requests: number, map: SourceMap) {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) add(own, id, timeDeltas[index] ?? 0);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const [selves, totals, owners] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  let busyMicroseconds = 0;
  const walk = (node: Profiler.ProfileNode, within: ReadonlySet<string>, owner: string): number => {
    const { functionName } = node.callFrame;
    const place = placeOf(node, map);
    const name = `${functionName || "(anonymous)"} ${place}`;
    const owning = /\bsrc\/(server|domain)\//.test(place) ? place.replace(/^.*?src\//, "src/") : owner;
    const self = own.get(node.id) ?? 0;
    const inside = new Set([...within, name]);
    const children = (node.children ?? []).flatMap((child) => byId.get(child) ?? []);
    const total = children.reduce((sum, child) => sum + walk(child, inside, owning), self);
    add(selves, name, self);
    // Time in a recursion counts once.
    if (!within.has(name)) add(totals, name, total);
    if (IDLE.includes(functionName)) return total;
    add(owners, owning, self);
    busyMicroseconds += self;
    return total;
  };
  if (nodes[0]) walk(nodes[0], new Set(), "outside the server's code");
  const functions = most(selves).map(([name, self]) => [name, self / requests, (totals.get(name) ?? 0) / requests]);
  const ofServer = most(owners).map(([place, time]) => [place, `${figure((100 * time) / busyMicroseconds)} %`]);
  const tables = [
    markdownTable(["function", "self µs/request", "with callees"], functions),
    markdownTable(["function, with the libraries it calls", "busy time"], ofServer),
  ];
  return { busyMicroseconds, tables };
}

function add<Key>(times: Map<Key, number>, key: Key, time: number): void {
  times.set(key, (times.get(key) ?? 0) + time);
}

function most(times: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...times].sort(([, one], [, other]) => other - one).slice(0, SHOWN);
}

/** Where a function was written, if it is the Worker's own, or else where it runs from. */
function placeOf({ callFrame: { url, lineNumber, columnNumber } }: Profiler.ProfileNode, map: SourceMap): string {
  if (url === "") return "";
  const file = url.split("/").at(-1);
  const entry = file?.startsWith("script-") ? map.findEntry(lineNumber, columnNumber) : null;
  if (!entry || !isMapped(entry)) return `${file}:${lineNumber + 1}`;
  return `${entry.originalSource.replace(/^.*(node_modules|\.\.)\//, "")}:${entry.originalLine + 1}`;
}

function isMapped(entry: object): entry is SourceMapping {
  return "originalSource" in entry;
}
