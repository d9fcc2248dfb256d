// The server with a copy that keeps domains that were deleted.
import { DatabaseWriter as Server } from "../../../src/server/index.ts";

export * from "../variants/watched.ts";
export { default } from "../variants/watched.ts";

/** Says that a deletion is done. */
export class DatabaseWriter extends Server {
  override async deleteDomain() {
    return { granted: true, grant: true } as const;
  }
}
