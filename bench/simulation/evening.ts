import { percentile } from "../statistics.ts";
import { type HandOver, ModelledDatabase } from "./database.ts";
import { EventClock } from "./event-clock.ts";

/** The figures of one database and its writer, under changes of many domains. Times are in milliseconds. */
export type Evening = Readonly<{
  changes: number;
  copied: number;
  changesPerWrite: number;
  lag50: number;
  lag99: number;
  databaseBusy: number;
}>;

/** Hands changes over at a rate, each of another domain, as an object does. @param rate changes a second */
export async function evening(
  rate: number,
  milliseconds: number,
  newWriter: (database: ModelledDatabase) => HandOver,
  seed: string,
): Promise<Evening> {
  const clock = new EventClock(seed);
  const database = new ModelledDatabase(clock);
  const write = newWriter(database);
  const lags: number[] = [];
  let changes = 0;

  async function change(domain: string): Promise<void> {
    const began = clock.now;
    await write(domain, 0, 1, 1);
    lags.push(clock.now - began);
  }

  await clock.run(() => {
    let left = 0;
    const next = () => {
      change(`household-${changes++}`);
      // Whole milliseconds, but at the rate that was asked for: what is left over is added to the next pause.
      left += (-Math.log(1 - clock.random()) * 1_000) / rate;
      const whole = Math.floor(left);
      left -= whole;
      if (clock.now + whole < milliseconds) clock.sleep(whole).then(next);
    };
    next();
  });
  return {
    ...{ changes, copied: database.revisions.size, changesPerWrite: changes / database.writes },
    ...{ lag50: percentile(lags, 0.5), lag99: percentile(lags, 0.99) },
    databaseBusy: database.thread.busy / clock.now,
  };
}
