import { DurableObject } from "cloudflare:workers";
import type { DomainObject as Coordinator } from "../../../src/server/index.ts";

type Method = "register" | "deregister" | "changeSettings" | "rollOver" | "evict" | "ban" | "unban";
const METHODS: readonly Method[] = ["register", "deregister", "changeSettings", "rollOver", "evict", "ban", "unban"];

/** An object class that asks so many coordinators in turn, which know nothing of each other. */
export function spread(newCoordinator: (ctx: DurableObjectState, env: Env) => Coordinator, count: number) {
  class Spread extends DurableObject<Env> {
    readonly #coordinators = new Map<number, Coordinator>();
    #turn = 0;

    /** The coordinator whose turn it is. */
    next(): Coordinator {
      const turn = this.#turn++ % count;
      const known = this.#coordinators.get(turn) ?? newCoordinator(this.ctx, this.env);
      this.#coordinators.set(turn, known);
      return known;
    }
  }
  for (const method of METHODS) {
    Object.defineProperty(Spread.prototype, method, {
      value(this: Spread, ...args: unknown[]) {
        const coordinator = this.next();
        return (coordinator[method] as (...args: unknown[]) => unknown).apply(coordinator, args);
      },
    });
  }
  return Spread;
}
