import { abortAllDurableObjects } from "cloudflare:test";
import { vi } from "vitest";
import { DomainStore } from "../../src/server/object/storage/domain-store.ts";

/** What `requests` come to if every object is aborted around its first commit, before anyone was answered. */
export async function abortedAt<T>(moment: "before" | "after", requests: () => Promise<T>): Promise<T> {
  const { commit } = DomainStore.prototype;
  let reached = false;
  const spy = vi.spyOn(DomainStore.prototype, "commit").mockImplementationOnce(async function (
    this: DomainStore,
    change,
  ) {
    if (moment === "after") await commit.call(this, change);
    reached = true;
    return new Promise(() => {});
  });
  const outcome = requests();
  // Polled, because a promise may not be resolved from within an object that is about to go.
  while (!reached) await scheduler.wait(1);
  await abortAllDurableObjects();
  spy.mockRestore();
  return outcome;
}
