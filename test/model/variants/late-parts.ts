// The server with a copy whose parts come late and several times: D1 must be none the worse for it.
import { DatabaseWriter as Server } from "../../../src/server/index.ts";

export { DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

/** When each part comes again. */
const AGAIN_MILLISECONDS = [5, 150];

/** A class of database writers that are handed everything again later, by nobody who waits for it. */
export function repeatingParts(Late: typeof Server): typeof Server {
  return class extends Server {
    override async write(...[change]: Parameters<Server["write"]>) {
      const found = await super.write(change);
      for (const milliseconds of AGAIN_MILLISECONDS) {
        setTimeout(() => Late.prototype.write.call(this, change).catch(() => {}), milliseconds);
      }
      return found;
    }
  };
}

/** Writes every part again. */
export const DatabaseWriter = repeatingParts(Server);
