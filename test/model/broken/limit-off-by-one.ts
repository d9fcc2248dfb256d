// The server with domains that are full one device early.

import { readMember } from "../../../src/server/database/domain-lists.ts";
import { readDomain } from "../../../src/server/database/domain-reader.ts";
import { DomainObject as Coordinator } from "../../../src/server/index.ts";

export { default } from "../../../src/server/index.ts";

/** Refuses the last device that there is room for. */
export class DomainObject extends Coordinator {
  override async register(...[registration, context]: Parameters<Coordinator["register"]>) {
    const name = this.ctx.id.name as string;
    const domain = await readDomain(this.env.DB, name);
    const isLast = domain?.maxMembership !== null && domain?.maxMembership === (domain?.memberCount ?? 0) + 1;
    const isMember = (await readMember(this.env.DB, name, registration.machineGuid)) !== null;
    if (!isLast || isMember) return super.register(registration, context);
    return { granted: false as const, refusal: { error: "DOM_LIMIT_REACHED" as const, reason: "full one early" } };
  }
}
