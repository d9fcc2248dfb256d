import type { Command } from "../../../src/domain/commands.ts";
import type { CallContext } from "../../../src/server/object/domain-object.ts";
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";
import { DomainObject as Server } from "./watched.ts";

/** How many events were committed to each storage, all in all. */
const committed = new WeakMap<SqlStorage, number>();
const { commit } = DomainStorage.prototype;

DomainStorage.prototype.commit = function (before, change, ...rest) {
  commit.call(this, before, change, ...rest);
  committed.set(this.sql, (committed.get(this.sql) ?? 0) + change.events.length);
};

/**
 * A class of objects whose commits become durable late, in their order. Nothing is granted before all that was
 * committed until then is durable. A refusal goes out at once, so that it shows when the queue refused.
 *
 * @param wait resolves when a commit of so many events is durable
 */
export function onSlowDisk(wait: (events: number) => Promise<unknown>) {
  return class extends Server {
    #synced = 0;
    #durable: Promise<unknown> = Promise.resolve();

    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, env);
      Object.defineProperty(ctx.storage, "sync", { value: () => this.#sync() });
    }

    #sync(): Promise<unknown> {
      const events = committed.get(this.ctx.storage.sql) ?? 0;
      const fresh = events - this.#synced;
      this.#synced = events;
      if (fresh > 0) this.#durable = Promise.all([this.#durable, wait(fresh)]);
      return this.#durable;
    }

    override async execute<C extends Command>(command: C, context: CallContext) {
      const outcome = await super.execute(command, context);
      if (outcome.granted) await this.#sync();
      return outcome;
    }
  };
}
