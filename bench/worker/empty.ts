// The Worker as it is deployed, with objects that do nothing: what is left when deciding, writing and making
// credentials cost nothing at all. No server with these routes and one object for each domain can be faster.
import app, { DomainObject as Coordinator } from "../../src/server/index.ts";
import { meteredEnvironment } from "./metered-environment.ts";

export { MeterControl } from "./metered-environment.ts";

/**
 * Answers every call as the first of its kind was answered in earnest. So the answers are of the shape and size of the
 * real ones, whatever those come to look like, and cost as much to bring to the Worker and to write as JSON.
 */
export class DomainObject extends Coordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, meteredEnvironment(env));
  }

  override async register(...args: Parameters<Coordinator["register"]>) {
    // A device that holds all keys is answered without any, which is less to bring back.
    return kept(`register after ${args[0].afterKeyVersion}`, () => super.register(...args));
  }

  override async deregister(...args: Parameters<Coordinator["deregister"]>) {
    return kept("deregister", () => super.deregister(...args));
  }
}

const answers = new Map<string, unknown>();

async function kept<Answer extends { granted: boolean }>(kind: string, ask: () => Promise<Answer>): Promise<Answer> {
  const known = answers.get(kind);
  if (known) return known as Answer;
  const answer = await ask();
  if (answer.granted) answers.set(kind, answer);
  return answer;
}

export default {
  fetch: (request, env, ctx) => app.fetch(request, meteredEnvironment(env), ctx),
} satisfies ExportedHandler<Env>;
