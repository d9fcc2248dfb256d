// The load generator: a process of its own, so that the server under measurement shares no thread with it. It takes
// jobs over its channel to the bench, one at a time, and ends when the channel closes.
import { percentile } from "../statistics.ts";
import { closedLoop } from "./closed-loop.ts";
import type { Job, Measurement } from "./jobs.ts";
import { requestSource } from "./load-requests.ts";
import { openLoop } from "./open-loop.ts";

process.on("message", async (job: Job) => {
  try {
    process.send?.({ measurement: await measure(job) });
  } catch (error) {
    process.send?.({ fault: String(error) });
  }
});
process.on("disconnect", () => process.exit());
// An interrupt of the bench interrupts the whole group of processes; the bench then ends this one in order.
process.on("SIGINT", () => {});

async function measure({ origin, traffic, amount, pace }: Job): Promise<Measurement> {
  const source = requestSource(traffic, amount);
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
    answerBytes: answers.reduce((sum, { bytes }) => sum + bytes, 0) / answers.length,
    generatorBusy: (user + system) / 1000 / (performance.now() - start),
  };
}
