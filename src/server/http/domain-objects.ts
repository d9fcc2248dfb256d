import { errorFields, log } from "../log.ts";
import type { Answer, DomainObject } from "../object/domain-object.ts";
import { Problem, refusalProblem } from "./problems.ts";

const TRIES = 3;

/**
 * Asks a domain's object, again if it went away in mid-call, whether or not the runtime calls the failure retryable:
 * an object that is told that a request is a repeated one looks for it in the log before it decides.
 *
 * @returns what the object grants
 * @throws Problem for what it refuses
 */
export async function askCoordinator<Grant>(
  env: Env,
  domain: string,
  ask: (coordinator: DurableObjectStub<DomainObject>, repeated: boolean) => Promise<Answer<Grant>>,
): Promise<Grant> {
  const answer = await call(env, domain, ask);
  if (answer.granted) return answer.grant;
  throw refusalProblem(answer.refusal);
}

async function call<Grant>(
  env: Env,
  domain: string,
  ask: (coordinator: DurableObjectStub<DomainObject>, repeated: boolean) => Promise<Answer<Grant>>,
): Promise<Answer<Grant>> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A new stub each time: one that has thrown stays broken.
      return await ask(env.DOMAIN_OBJECT.getByName(domain), attempt > 1);
    } catch (error) {
      const { overloaded, remote } = error as DurableObjectFailure;
      log("warn", "a call to a domain's object failed", { ...errorFields(error), attempt });
      if (overloaded) throw new Problem("OVERLOADED");
      if (isOfAnotherRelease(error)) throw new Problem("TEMPORARILY_UNAVAILABLE");
      if (remote) throw error;
      if (attempt === TRIES) throw new Problem("TEMPORARILY_UNAVAILABLE");
      await scheduler.wait(10 * attempt * (1 + Math.random()));
    }
  }
}

/** Whether an object of the release before is still running and lacks what is asked; the runtime has no code for it. */
function isOfAnotherRelease(error: unknown): boolean {
  return error instanceof TypeError && /RPC receiver does not implement/.test(error.message);
}

/** What the runtime says of a failed call: `remote` if the object's own code threw, so that it would again. */
type DurableObjectFailure = { overloaded?: boolean; remote?: boolean };
