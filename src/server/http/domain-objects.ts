import type { Context } from "hono";
import type { Command } from "../../domain/commands.ts";
import type { AuthEvidence, Outcome } from "../../domain/types.ts";
import type { DeletionGrant, DeletionRequest, IdleRule } from "../object/deletion.ts";
import type { CallContext, DomainObject, GrantFrom, KeySet, Reading } from "../object/domain-object.ts";
import type { HistoryPage, HistoryPlace } from "../object/key-history.ts";
import type { DeviceSelection, OwnedDeviceList } from "../object/owned-devices.ts";
import type { KeySelection, ReadArguments, ReadName, ReadResult } from "../object/storage/reads.ts";
import { objectNamed } from "../placement.ts";
import { errorFields, log } from "../worker-log.ts";
import { Problem, refusalProblem } from "./problems.ts";
import { type AppEnv, serverUrl } from "./request-context.ts";

const TRIES = 3;

/** The domain's object as it is called: the platform's own types lose what depends on a method's arguments. */
type Stub = {
  execute<C extends Command>(command: C, context: CallContext): Promise<Outcome<GrantFrom<C["type"]>>>;
  read<Name extends ReadName>(
    requestId: string,
    name: Name,
    ...args: ReadArguments<Name>
  ): Promise<Outcome<Reading<Name>>>;
} & Pick<DomainObject, "copy" | "delete" | "rewrapKeys" | "keySet" | "history" | "differingTables" | "ownedDevices">;

/** An operator's command without what the request says anyway. */
type OperatorCommand = Extract<Command, { by: string }>;
type Bare<C> = C extends unknown ? Omit<C, "requestId" | "by"> : never;

/**
 * Has a domain's object carry out a command. Repeats the call if the object was lost, under the same request id: it is not
 * carried out twice.
 *
 * @throws Problem if it is refused
 */
export async function execute<C extends Command>(
  c: Context<AppEnv>,
  domain: string,
  command: C,
  caller: Omit<CallContext, "issuer"> = {},
): Promise<GrantFrom<C["type"]>> {
  const context = { issuer: serverUrl(c), ...caller };
  return granted(await callObject(c.env, domain, (object) => object.execute(command, context)));
}

/** Has a domain's object carry out a command of the operator who asks. @throws Problem if it is refused */
export function executeAsOperator<C extends Bare<OperatorCommand>>(
  c: Context<AppEnv>,
  domain: string,
  command: C,
): Promise<GrantFrom<C["type"]>> {
  const full = { ...command, requestId: c.get("requestId"), by: c.get("operator").identity };
  return execute(c, domain, full as unknown as Extract<OperatorCommand, { type: C["type"] }>);
}

/** Reads something of a domain that exists. @throws Problem `DOMAIN_NOT_FOUND` if it does not */
export function read<Name extends ReadName>(
  c: Context<AppEnv>,
  domain: string,
  name: Name,
  ...args: ReadArguments<Name>
): Promise<ReadResult<Name>> {
  return onExisting(c, domain, (object, requestId) => object.read(requestId, name, ...args));
}

/** Devices of a domain that exists, for its owner. @throws Problem if there is no such domain, or another one asks */
export async function ownedDevices(
  c: Context<AppEnv>,
  domain: string,
  auth: AuthEvidence,
  selection: DeviceSelection,
): Promise<OwnedDeviceList> {
  return granted(await onExisting(c, domain, (object, requestId) => object.ownedDevices(requestId, auth, selection)));
}

/** Public keys of a domain that exists. @throws Problem `DOMAIN_NOT_FOUND` if it does not */
export async function keySet(c: Context<AppEnv>, domain: string, selection: KeySelection): Promise<KeySet> {
  const issuer = serverUrl(c);
  return onExisting(c, domain, (object, requestId) => object.keySet(requestId, selection, issuer));
}

/**
 * A page of the older keys of a domain that exists; null if it has no such key version.
 *
 * @param known the entity tags of pages that the caller has
 * @throws Problem `DOMAIN_NOT_FOUND`
 */
export async function history(
  c: Context<AppEnv>,
  domain: string,
  place: HistoryPlace,
  known: string | null,
): Promise<HistoryPage | null> {
  const issuer = serverUrl(c);
  return onExisting(c, domain, (object, requestId) => object.history(requestId, place, issuer, known));
}

/** Has a domain that exists compared with the database, and copied. @throws Problem `DOMAIN_NOT_FOUND` if it does not */
export function copy(c: Context<AppEnv>, domain: string): Promise<ReadResult<"overview">> {
  return onExisting(c, domain, (object, requestId) => object.copy(requestId));
}

/** The tables in which the database differs from a domain that exists. @throws Problem `DOMAIN_NOT_FOUND` */
export function differingTables(c: Context<AppEnv>, domain: string): Promise<readonly string[]> {
  return onExisting(c, domain, (object, requestId) => object.differingTables(requestId));
}

/** Deletes a domain that exists, for the operator who asks. @throws Problem `DOMAIN_NOT_FOUND` if it does not */
export function deleteDomain(c: Context<AppEnv>, domain: string): Promise<DeletionGrant> {
  return onExisting(c, domain, (object) => object.delete(deletionRequest(c)));
}

/** Deletes a domain if it is idle. @returns whether it does so, or would; not if there is no such domain any more */
export async function deleteIfIdle(
  c: Context<AppEnv>,
  domain: string,
  idle: IdleRule,
  isDryRun: boolean,
): Promise<boolean> {
  const ask = (object: Stub) => object.delete(deletionRequest(c), idle, isDryRun);
  return granted(await callObject(c.env, domain, ask))?.value.deleted ?? false;
}

function deletionRequest(c: Context<AppEnv>): DeletionRequest {
  return { requestId: c.get("requestId"), by: c.get("operator").identity };
}

/** The response of the object of a domain that exists. @throws Problem if it refuses, or there is no such domain */
async function onExisting<T>(
  c: Context<AppEnv>,
  domain: string,
  ask: (object: Stub, requestId: string) => Promise<Outcome<Readonly<{ value: T }> | null>>,
): Promise<T> {
  const found = granted(await callObject(c.env, domain, (object) => ask(object, c.get("requestId"))));
  if (found === null) throw new Problem("DOMAIN_NOT_FOUND");
  return found.value;
}

function granted<Grant>(outcome: Outcome<Grant>): Grant {
  if (outcome.granted) return outcome.grant;
  throw refusalProblem(outcome.refusal);
}

/** Calls a domain's object, again if it was lost in mid-call. @throws Problem if it stays lost */
export function callObject<Result>(env: Env, domain: string, call: (object: Stub) => Promise<Result>): Promise<Result> {
  return repeatedCall(() => call(objectNamed(env, env.DOMAIN_OBJECT, domain) as unknown as Stub));
}

/**
 * Calls an object, again if it was lost in mid-call.
 *
 * @param call takes a new stub each time: one that has thrown stays broken
 * @throws Problem if it stays lost
 */
export async function repeatedCall<Result>(call: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const { overloaded, remote } = error as DurableObjectFailure;
      log("warn", "a call to an object failed", { ...errorFields(error), attempt });
      // `OVERLOADED` says that nothing was done, which is not known of the call before.
      if (overloaded) throw new Problem(attempt === 1 ? "OVERLOADED" : "TEMPORARILY_UNAVAILABLE");
      if (isOfAnotherRelease(error)) throw new Problem("TEMPORARILY_UNAVAILABLE");
      if (remote) throw error;
      if (attempt === TRIES) throw new Problem("TEMPORARILY_UNAVAILABLE");
      await scheduler.wait(10 * attempt * (1 + Math.random()));
    }
  }
}

/** Whether an object of the release before is still running and lacks what is asked; the runtime has no code for it. */
function isOfAnotherRelease(error: unknown): boolean {
  return error instanceof TypeError && /RPC receiver does not implement/.test(error.message);
}

/** The runtime's flags of a failed call: `remote` if the object's own code threw, so that it would again. */
type DurableObjectFailure = { overloaded?: boolean; remote?: boolean };
