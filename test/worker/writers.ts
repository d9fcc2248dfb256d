import { env } from "cloudflare:workers";
import type { Command } from "../../src/domain/decide.ts";
import { configOf } from "../../src/server/config.ts";
import { Lanes } from "../../src/server/object/batch-queue.ts";
import { DomainWriter, type Request, type Result } from "../../src/server/object/domain-writer.ts";
import { Keyring } from "../../src/server/object/keyring.ts";
import { DomainStore } from "../../src/server/object/storage/domain-store.ts";

/** Tallies that nobody takes. */
export const NO_TALLIES = { renewed: () => {}, refused: () => {} };

/** A queue with its own writer for a domain, as a second instance of the domain's object would have. */
export function newQueue(
  domain: string,
  database: D1Database = env.DB,
  mayCreate?: (creator: string) => Promise<boolean>,
  answerMilliseconds?: number,
): Lanes<Request, Result> {
  const store = new DomainStore(database, () => Promise.resolve(), answerMilliseconds);
  return new Lanes(new DomainWriter(domain, store, new Keyring(domain, configOf(env)), NO_TALLIES, mayCreate));
}

/** A command as it goes into a queue. */
export function request(command: Command, repeated = false): Request {
  return { command, repeated, issuer: "https://domains.example", creator: null };
}

export function joins(machineGuid: string, requestId: string = crypto.randomUUID()): Command {
  return {
    type: "register",
    requestId,
    machineGuid,
    auth: { kind: "none" },
    afterKeyVersion: 0,
    proof: null,
    sealed: false,
  };
}

export function leaves(machineGuid: string, requestId: string = crypto.randomUUID()): Command {
  return {
    type: "deregister",
    requestId,
    machineGuid,
    auth: { kind: "none" },
    preview: false,
    proof: null,
    requestKey: null,
  };
}

export function bans(machineGuid: string, requestId: string = crypto.randomUUID()): Command {
  return { type: "ban", requestId, machineGuid, reason: "stolen", by: "ada" };
}

/** What a result grants, or the name of the error it refuses with. */
export function gist(result: Result): object | string {
  if ("fault" in result) return String(result.fault);
  return result.outcome.granted ? result.outcome.grant : result.outcome.refusal.error;
}
