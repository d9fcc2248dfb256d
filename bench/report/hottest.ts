import type { SourceMap, SourceMapping } from "node:module";
import type { CpuProfile } from "../inspector.ts";
import { figure, markdownTable } from "./markdown-table.ts";

const SHOWN = 40;
/** The profile's names for time in which no code of the isolate runs. */
const IDLE = ["(idle)", "(program)", "(root)"];

/** The time in which an isolate ran code of its own. */
export function busyMicroseconds({ nodes, samples, timeDeltas }: CpuProfile): number {
  const idle = new Set(nodes.filter(({ callFrame }) => IDLE.includes(callFrame.functionName)).map(({ id }) => id));
  return samples.reduce((sum, id, index) => sum + (idle.has(id) ? 0 : (timeDeltas[index] ?? 0)), 0);
}

/** The functions that a profile spent most time in, for each request in microseconds: in themselves, and with callees. */
export function hottest({ nodes, samples, timeDeltas }: CpuProfile, requests: number, map: SourceMap): string {
  const own = new Map<number, number>();
  samples.forEach((id, index) => {
    own.set(id, (own.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const totals = new Map<string, { self: number; total: number }>();
  const walk = (id: number, within: ReadonlySet<string>): number => {
    const node = byId.get(id);
    if (!node) return 0;
    const name = `${node.callFrame.functionName || "(anonymous)"} ${placeOf(node.callFrame, map)}`;
    const entry = totals.get(name) ?? { self: 0, total: 0 };
    totals.set(name, entry);
    const inside = new Set([...within, name]);
    const self = own.get(id) ?? 0;
    const total = self + (node.children ?? []).reduce((sum, child) => sum + walk(child, inside), 0);
    entry.self += self;
    // Time in a recursion counts once.
    if (!within.has(name)) entry.total += total;
    return total;
  };
  const root = nodes[0];
  if (root) walk(root.id, new Set());
  const rows = [...totals]
    .sort(([, a], [, b]) => b.self - a.self)
    .slice(0, SHOWN)
    .map(([name, { self, total }]) => [name, figure(self / requests), figure(total / requests)]);
  return markdownTable(["function", "self µs/request", "with callees"], rows);
}

/**
 * The functions of the server that a profile spent most time in, as shares of the busy time: each with what it called in
 * libraries and in the runtime.
 */
export function hottestOfServer(profile: CpuProfile, map: SourceMap): string {
  const { nodes, samples, timeDeltas } = profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const ownerOf = new Map<number, string>();
  const walk = (id: number, owner: string) => {
    const node = byId.get(id);
    if (!node) return;
    const place = placeOf(node.callFrame, map);
    const mine = /\bsrc\/(server|domain)\//.test(place) ? place.replace(/^.*?src\//, "src/") : owner;
    ownerOf.set(id, mine);
    for (const child of node.children ?? []) walk(child, mine);
  };
  if (nodes[0]) walk(nodes[0].id, "outside the server's code");
  const idle = new Set(nodes.filter(({ callFrame }) => IDLE.includes(callFrame.functionName)).map(({ id }) => id));
  const shares = new Map<string, number>();
  samples.forEach((id, index) => {
    if (idle.has(id)) return;
    const owner = ownerOf.get(id) ?? "";
    shares.set(owner, (shares.get(owner) ?? 0) + (timeDeltas[index] ?? 0));
  });
  const busy = busyMicroseconds(profile);
  const rows = [...shares]
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([place, time]) => [place, `${figure((100 * time) / busy)} %`]);
  return markdownTable(["function, with the libraries it calls", "busy time"], rows);
}

/** Where a function was written, if it is the Worker's own, or else where it runs from. */
function placeOf(frame: CpuProfile["nodes"][number]["callFrame"], map: SourceMap): string {
  const { url, lineNumber, columnNumber } = frame;
  if (url === "") return "";
  const file = url.split("/").at(-1);
  const entry = file?.startsWith("script-") ? map.findEntry(lineNumber, columnNumber) : null;
  if (!entry || !isMapped(entry)) return `${file}:${lineNumber + 1}`;
  return `${entry.originalSource.replace(/^.*(node_modules|\.\.)\//, "")}:${entry.originalLine + 1}`;
}

function isMapped(entry: object): entry is SourceMapping {
  return "originalSource" in entry;
}
