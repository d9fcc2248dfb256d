// The load generator: a process of its own, so that the server under measurement shares no thread with it. It takes
// jobs over its channel to the bench, one at a time. It outlives the bench, whatever ends that: when the channel closes,
// it ends the processes and removes the folders that the bench has named to it.
import { rmSync } from "node:fs";
import { percentile } from "../statistics.ts";
import type { Job, Kept, Measurement } from "./jobs.ts";
import { requestSource } from "./load-requests.ts";
import { closedLoop, openLoop } from "./loops.ts";

const kept: Kept[] = [];

process.on("message", async (message: Job | Kept) => {
  if (!("traffic" in message)) return kept.push(message);
  try {
    process.send?.({ measurement: await measure(message) });
  } catch (error) {
    process.send?.({ fault: String(error) });
  }
});
process.on("disconnect", () => {
  for (const each of kept) if ("pid" in each) end(each.pid);
  for (const each of kept) if ("folder" in each) rmSync(each.folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
});
// An interrupt from a terminal interrupts this process too, which comes last.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already, as it should have.
  }
}

async function measure({ origin, traffic, amount, pace }: Job): Promise<Measurement> {
  const source = await requestSource(traffic, amount);
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  const answers =
    "connections" in pace
      ? await closedLoop(origin, source, amount, pace.connections)
      : await openLoop(origin, source, amount, pace.perSecond);
  const { user, system } = process.cpuUsage(cpu);
  const times = answers.map(({ took }) => took);
  return {
    // Answers may come in bunches, so that only the whole tells the rate.
    perSecond: (1000 * answers.length) / ((answers.at(-1)?.at ?? start) - start),
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    generatorBusy: (user + system) / 1000 / (performance.now() - start),
  };
}
