// The server with previews that take the device out, and say that they did not.
import type { Command } from "../../../src/domain/commands.ts";
import type { CallContext } from "../../../src/server/object/domain-object.ts";
import { DomainObject as Server } from "../variants/watched.ts";

export { DatabaseWriter, DeviceBans, Door, default } from "../variants/watched.ts";

/** Carries every preview out. */
export class DomainObject extends Server {
  override async execute<C extends Command>(command: C, context: CallContext) {
    if (command.type !== "deregister" || !command.preview) return super.execute(command, context);
    const outcome = await super.execute({ ...command, preview: false }, context);
    return outcome.granted ? { ...outcome, grant: { ...outcome.grant, deregistered: false } } : outcome;
  }
}
