import { WorkerEntrypoint } from "cloudflare:workers";
import type { CallContext } from "../../../src/server/object/domain-object.ts";
import type { DoorDeletion, DoorRequest } from "../door-requests.ts";

/** An object as the door calls it. */
type Stub = {
  execute(command: object, context: CallContext): Promise<unknown>;
  delete(request: DoorDeletion): Promise<unknown>;
  lose(): Promise<void>;
};

/** A way to the objects past the Worker, which would give each request an id of its own. */
export class Door extends WorkerEntrypoint<Env> {
  /** Answers with the outcome of each call; null for one that was lost with its object. */
  override async fetch(request: Request): Promise<Response> {
    const asked: DoorRequest = await request.json();
    const object = () => this.env.DOMAIN_OBJECT.getByName(asked.domain) as unknown as Stub;
    const call = (): Promise<unknown> => {
      if ("lose" in asked) return object().lose();
      if ("deletion" in asked) return object().delete(asked.deletion);
      return object().execute(asked.command, asked.context);
    };
    const times = "lose" in asked ? 1 : asked.times;
    return Response.json(await Promise.all(Array.from({ length: times }, () => call().catch(() => null))));
  }
}
