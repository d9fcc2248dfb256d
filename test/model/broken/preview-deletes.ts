// The server with previews that take the device out, and say that they did not.
import { DomainObject as Coordinator } from "../../../src/server/index.ts";

export { default } from "../../../src/server/index.ts";

/** Carries every preview out. */
export class DomainObject extends Coordinator {
  override async deregister(...[deregistration, context]: Parameters<Coordinator["deregister"]>) {
    const answer = await super.deregister({ ...deregistration, preview: false }, context);
    const pretend = deregistration.preview && answer.granted;
    return pretend ? { granted: true as const, grant: { deregistered: false } } : answer;
  }
}
