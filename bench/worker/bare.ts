// A Worker and a Durable Object without any code of the server: the Worker parses the body, the object answers a text of
// the size of a join's answer. It is the limit of the platform.
import { DurableObject } from "cloudflare:workers";

export { DatabaseWriter, DeviceBans } from "../literal/idle-objects.ts";
export { MeterControl } from "./metered.ts";

/** About the bytes of the credentials of a domain with one key. */
const TEXT = "x".repeat(1_000);

/** Answers always the same. */
export class DomainObject extends DurableObject<Env> {
  execute(_command: object): string {
    return TEXT;
  }
}

export default {
  async fetch(request, env) {
    const domain = new URL(request.url).pathname.split("/")[2] as string;
    const command = (await request.json()) as object;
    const object = env.DOMAIN_OBJECT.getByName(domain) as unknown as { execute(command: object): Promise<string> };
    return new Response(await object.execute(command), {
      status: 201,
      headers: { "content-type": "application/json" },
    });
  },
} satisfies ExportedHandler<Env>;
