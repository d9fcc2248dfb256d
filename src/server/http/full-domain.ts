import type { Context } from "hono";
import { configOf } from "../config.ts";
import { mayLook } from "../middleware/operator-scope.ts";
import { memberShown } from "./devices-shown.ts";
import { read } from "./domain-objects.ts";
import { Problem } from "./problems.ts";
import type { AppEnv } from "./request-context.ts";

const MEMBERS_SHOWN = 5;

/**
 * Throws what a registration failed with. Where that is a full domain, an operator also learns what it takes to make room:
 * how many members there are, and which have not renewed for longest.
 */
export async function registrationFailure(c: Context<AppEnv>, domain: string, error: unknown): Promise<never> {
  if (!(error instanceof Problem && error.problem === "DOM_LIMIT_REACHED") || !(await mayLook(c))) throw error;
  const { memberCount, maxMembership } = await read(c, domain, "overview");
  // It is the quota of a subject that is used up.
  if (maxMembership === null || memberCount < maxMembership) throw error;
  const { keyEncryptionKeys } = configOf(c.env);
  const members = await read(c, domain, "leastRecentlyRenewed", MEMBERS_SHOWN);
  throw new Problem("DOM_LIMIT_REACHED", {
    ...error.details,
    detail: `${memberCount} of at most ${maxMembership} devices are members.`,
    members: {
      memberCount,
      leastRecentlyRenewed: await Promise.all(members.map((member) => memberShown(domain, member, keyEncryptionKeys))),
    },
  });
}
