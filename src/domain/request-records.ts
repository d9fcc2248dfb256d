import type { AnyGrant, Command } from "./commands.ts";

/** The outcome of a request that changed the domain. A repeat of the request gets it again and changes nothing. */
export type RequestRecord = Readonly<{
  command: Command["type"];
  /** The device the request speaks of; null if it speaks of none. */
  machineGuid: string | null;
  grant: AnyGrant;
}>;

/** The id of the record that a device's own idempotency key (or `jti`) has. Its scope is the machine GUID. */
export function idempotencyRecordId(machineGuid: string, idempotencyKey: string): string {
  return `${machineGuid} ${idempotencyKey}`;
}

/** The ids of all records a command is looked up by, and leaves if it changes the domain. */
export function recordIds(command: Command): readonly string[] {
  // A due rollover needs no record: repeating it changes nothing.
  if (command.type === "due-rollover") return [];
  const idempotencyKey = idempotencyKeyOf(command);
  const { requestId } = command;
  return idempotencyKey === null || !("machineGuid" in command)
    ? [requestId]
    : [requestId, idempotencyRecordId(command.machineGuid, idempotencyKey)];
}

function idempotencyKeyOf(command: Command): string | null {
  if (command.type === "deregister") return command.idempotencyKey;
  // A sealed response may be given again to anyone: only the device can open it.
  return command.type === "register" && !command.sealed ? (command.proof?.idempotencyKey ?? null) : null;
}
