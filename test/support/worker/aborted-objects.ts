import { abortAllDurableObjects } from "cloudflare:test";
import { vi } from "vitest";
import { DomainObject } from "../../../src/server/object/domain-object.ts";
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

/** When an object is lost, seen from the commit of a command: `in` is after its last statement, before it is durable. */
export type Moment = "before" | "in" | "after";

/** The object's state, which its class keeps to itself. */
type WithState = { ctx: DurableObjectState };

/** The outcomes of `requests` if the first object they reach is lost around its first commit, before anyone was answered. */
export function abortedAt<T>(moment: Moment, requests: () => Promise<T>): Promise<T> {
  return moment === "in" ? abortedWithin(requests) : abortedAround(moment, requests);
}

async function abortedAround<T>(moment: "before" | "after", requests: () => Promise<T>): Promise<T> {
  const { execute } = DomainObject.prototype;
  let lost: DomainObject | undefined;
  let reached = false;
  const spy = vi.spyOn(DomainObject.prototype, "execute").mockImplementation(async function (
    this: DomainObject,
    ...call: Parameters<DomainObject["execute"]>
  ) {
    lost ??= this;
    if (this !== lost) return execute.apply(this, call);
    // Durable by the time it is answered, if that is after the commit.
    if (moment === "after")
      await execute.apply(this, call).then(() => (this as unknown as WithState).ctx.storage.sync());
    reached = true;
    return new Promise<never>(() => {});
  });
  const outcome = requests();
  // Polled, because a promise may not be resolved from within an object that is about to go.
  while (!reached) await scheduler.wait(1);
  await abortAllDurableObjects();
  const result = await outcome;
  spy.mockRestore();
  return result;
}

async function abortedWithin<T>(requests: () => Promise<T>): Promise<T> {
  const { execute } = DomainObject.prototype;
  const { commit } = DomainStorage.prototype;
  let caller: DomainObject | undefined;
  const executing = vi.spyOn(DomainObject.prototype, "execute").mockImplementation(function (
    this: DomainObject,
    ...call: Parameters<DomainObject["execute"]>
  ) {
    caller ??= this;
    return execute.apply(this, call);
  });
  const committing = vi.spyOn(DomainStorage.prototype, "commit").mockImplementationOnce(function (
    this: DomainStorage,
    ...change: Parameters<DomainStorage["commit"]>
  ) {
    commit.apply(this, change);
    (caller as unknown as WithState).ctx.abort("lost");
  });
  const result = await requests();
  if (committing.mock.calls.length === 0) throw new Error("nothing was committed");
  for (const spy of [executing, committing]) spy.mockRestore();
  return result;
}
