// The server with domains that are full one device early.
import type { Command } from "../../../src/domain/commands.ts";
import type { Registration } from "../../../src/domain/registration.ts";
import { refused } from "../../../src/domain/types.ts";
import type { CallContext } from "../../../src/server/object/domain-object.ts";
import { DomainObject as Server } from "../variants/watched.ts";

export { DatabaseWriter, DeviceBans, Door, default } from "../variants/watched.ts";

/** Refuses the last device that there is room for. */
export class DomainObject extends Server {
  override async execute<C extends Command>(command: C, context: CallContext) {
    if (command.type === "register" && (await this.#isLast(command))) {
      return refused({ error: "DOM_LIMIT_REACHED", reason: "full one early" }).outcome;
    }
    return super.execute(command, context);
  }

  async #isLast({ requestId, machineGuid }: Registration): Promise<boolean> {
    const [domain, member] = await Promise.all([
      this.read(requestId, "overview"),
      this.read(requestId, "member", machineGuid),
    ]);
    if (!domain.granted || !domain.grant || !member.granted || member.grant?.value) return false;
    const { maxMembership, memberCount } = domain.grant.value;
    return maxMembership !== null && maxMembership === memberCount + 1;
  }
}
