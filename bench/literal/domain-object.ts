import { DurableObject } from "cloudflare:workers";
import { configOf } from "../../src/server/config.ts";
import { type DeregisterRequest, deregister } from "./deregistration.ts";
import { type RegisterRequest, register } from "./registration.ts";
import { changeSettings, type SettingsRequest } from "./settings.ts";
import { Tables } from "./tables.ts";

/** One domain: serves one request at a time, from its first step to its last. */
export class DomainObject extends DurableObject<Env> {
  #last: Promise<unknown> = Promise.resolve();

  /** Registers a device. */
  register(request: RegisterRequest) {
    return this.#inTurn(() => register(this.#tables(), configOf(this.env), request));
  }

  /** De-registers a device, or previews it. */
  deregister(request: DeregisterRequest) {
    return this.#inTurn(() => deregister(this.#tables(), request));
  }

  /** Replaces the settings of the domain. */
  changeSettings(request: SettingsRequest) {
    return this.#inTurn(() => changeSettings(this.#tables(), request));
  }

  #tables(): Tables {
    return new Tables(this.env.DB, this.ctx.id.name as string);
  }

  /** At every `await` on the database other requests may run; each waits for the one before it instead. */
  #inTurn<T>(serve: () => Promise<T>): Promise<T> {
    const served = this.#last.then(serve);
    this.#last = served.catch(() => {});
    return served;
  }
}
