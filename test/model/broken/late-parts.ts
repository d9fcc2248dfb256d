// The server with a copy that takes every part, whether or not it is newer than what D1 has: late ones overwrite.
import { DatabaseWriter as Server } from "../../../src/server/index.ts";
import { repeatingParts } from "../variants/late-parts.ts";

export { DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

/** Has D1 take a late part for the next one. */
export const DatabaseWriter = repeatingParts(
  class extends Server {
    override async write(...[change]: Parameters<Server["write"]>) {
      const { domain } = change.info;
      await this.env.DB.prepare("update domain_server_info set revision = ? where domain = ? and revision > ?")
        .bind(change.base, domain, change.base)
        .run();
      return super.write(change);
    }
  },
);
