// The server with previews that leave a trace: a rollover is due after each that would be allowed.
import type { Command } from "../../../src/domain/commands.ts";
import type { CallContext } from "../../../src/server/object/domain-object.ts";
import { DomainObject as Server } from "../variants/watched.ts";

export { DatabaseWriter, DeviceBans, Door, default } from "../variants/watched.ts";

/** Has a rollover follow on previews. */
export class DomainObject extends Server {
  override async execute<C extends Command>(command: C, context: CallContext) {
    const outcome = await super.execute(command, context);
    if (command.type === "deregister" && command.preview && outcome.granted) {
      const requestId = crypto.randomUUID();
      await super.execute({ type: "rollover", requestId, by: "a preview", when: "next-registration" }, context);
    }
    return outcome;
  }
}
