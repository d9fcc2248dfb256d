import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Command } from "../../../src/domain/commands.ts";
import type { Outcome } from "../../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../../src/protocol/limits.ts";
import type { DomainObject, GrantFrom } from "../../../src/server/object/domain-object.ts";
import { newRequestId } from "../../../src/server/request-ids.ts";
import { ORIGIN } from "./client.ts";

/** A domain's object. */
export function objectOf(domain: string) {
  return env.DOMAIN_OBJECT.getByName(domain);
}

type Executed<C extends Command> = Promise<Outcome<GrantFrom<C["type"]>>>;

/** Has a domain's object carry out a command, as the Worker does. */
export function execute<C extends Command>(domain: string, command: C): Executed<C> {
  return objectOf(domain).execute(command, { issuer: ORIGIN }) as unknown as Executed<C>;
}

/**
 * Has a domain's object carry out commands in one batch.
 *
 * The first one goes alone: the others come while its commit is not durable yet, and are batched with each other.
 */
export function executeAsBatch(domain: string, ...commands: readonly Command[]): Promise<Outcome<object>[]> {
  return runInDurableObject(objectOf(domain), (object: DomainObject) =>
    Promise.all(commands.map((command) => object.execute(command, { issuer: ORIGIN }))),
  );
}

/** The grant of an outcome, or the name of its error. */
export function gist<Grant>(outcome: Outcome<Grant>): Grant | string {
  return outcome.granted ? outcome.grant : outcome.refusal.error;
}

/** Ends the running instance of a domain's object. The next call begins another one, over the same storage. */
export function evict(domain: string): Promise<void> {
  return evictDurableObject(objectOf(domain));
}

/** Has the present instance of a domain's object see another environment. To be called before anything else is. */
export function setEnvironment(domain: string, environment: object): Promise<void> {
  return runInDurableObject(objectOf(domain), (object) => {
    Object.defineProperty(object, "env", { value: { ...env, ...environment } });
  });
}

/** Has the alarm of a domain's object go off now. @returns whether it was set */
export function runAlarm(domain: string): Promise<boolean> {
  return runDurableObjectAlarm(objectOf(domain));
}

/** In how many milliseconds the alarm of a domain's object goes off. */
export function alarmIn(domain: string): Promise<number> {
  return runInDurableObject(objectOf(domain), async (_, { storage }) => {
    return ((await storage.getAlarm()) ?? Number.POSITIVE_INFINITY) - Date.now();
  });
}

type Of<Type extends Command["type"]> = Extract<Command, { type: Type }>;

export function joins(machineGuid: string, more: Partial<Of<"register">> = {}): Of<"register"> {
  return {
    type: "register",
    requestId: newRequestId(),
    machineGuid,
    auth: { kind: "none" },
    afterKeyVersion: 0,
    maxCredentials: MAX_CREDENTIALS,
    proof: null,
    sealed: false,
    ...more,
  };
}

export function leaves(machineGuid: string, more: Partial<Of<"deregister">> = {}): Of<"deregister"> {
  return {
    type: "deregister",
    requestId: newRequestId(),
    machineGuid,
    auth: { kind: "none" },
    preview: false,
    proof: null,
    idempotencyKey: null,
    ...more,
  };
}

type Bare<C> = C extends unknown ? Omit<C, "requestId" | "by"> : never;

/** A command of an operator. */
export function operators<C extends Bare<Exclude<Command, { type: "register" | "deregister" }>>>(
  command: C,
): Of<C["type"]> {
  return { requestId: newRequestId(), by: "ada", ...command } as unknown as Of<C["type"]>;
}
