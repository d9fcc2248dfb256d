import type { Context } from "hono";
import { ownerTokenRefusal } from "../../domain/owner.ts";
import type { AuthEvidence } from "../../domain/types.ts";
import { limitOwner } from "../middleware/rate-limit.ts";
import { authEvidence } from "./auth-evidence.ts";
import { refusalProblem } from "./problems.ts";
import type { AppEnv } from "./request-context.ts";

/**
 * The evidence of the request's token.
 *
 * @throws Problem if it is no owner's, whichever the domain, or its subject asks too often
 */
export async function ownersToken(c: Context<AppEnv>): Promise<AuthEvidence> {
  const auth = await authEvidence(c);
  const refusal = ownerTokenRefusal(auth);
  if (refusal) throw refusalProblem(refusal);
  if (auth.kind === "verified" && auth.subjectHash !== undefined) await limitOwner(c, auth.subjectHash);
  return auth;
}
