// The server that carries out a repeated deletion once more: on a domain that came after the one it deleted.
import type { DeletionRequest } from "../../../src/server/object/deletion.ts";
import { DomainObject as Server } from "../variants/watched.ts";

export * from "../variants/watched.ts";
export { default } from "../variants/watched.ts";

/** Knows no deletion by its request. */
export class DomainObject extends Server {
  override delete(request: DeletionRequest, ...rest: []) {
    return super.delete({ ...request, requestId: crypto.randomUUID() }, ...rest);
  }
}
