// The server with domains that are full one device early.
import { DomainCoordinator as Coordinator } from "../../../src/index.ts";
import { readMember } from "../../../src/storage/domain-lists.ts";
import { readDomain } from "../../../src/storage/domain-reader.ts";

export { default } from "../../../src/index.ts";

/** Refuses the last device that there is room for. */
export class DomainCoordinator extends Coordinator {
  override async register(...[registration, context]: Parameters<Coordinator["register"]>) {
    const name = this.ctx.id.name as string;
    const domain = await readDomain(this.env.DB, name);
    const isLast = domain?.maxMembership !== null && domain?.maxMembership === (domain?.memberCount ?? 0) + 1;
    const isMember = (await readMember(this.env.DB, name, registration.machineGuid)) !== null;
    if (!isLast || isMember) return super.register(registration, context);
    return { granted: false as const, refusal: { error: "DOM_LIMIT_REACHED" as const, reason: "full one early" } };
  }
}
