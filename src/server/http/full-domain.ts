import type { Context } from "hono";
import type { Registration } from "../../domain/registration.ts";
import type { AuthEvidence, DeviceProof } from "../../domain/types.ts";
import { configOf } from "../config.ts";
import { mayLook } from "../middleware/operator-scope.ts";
import type { DomainOverview } from "../object/storage/reads.ts";
import type { AppEnv } from "./context.ts";
import { memberShown } from "./devices-shown.ts";
import { read } from "./domain-objects.ts";
import { Problem } from "./problems.ts";

const MEMBERS_SHOWN = 5;

/**
 * Throws what a registration failed with. Where that is a full domain, an operator and the holder of an auth token also
 * learn what it takes to make room: how many members there are, and which have not renewed for longest.
 */
export async function registrationFailure(
  c: Context<AppEnv>,
  domain: string,
  { auth, proof }: Pick<Registration, "auth" | "proof">,
  error: unknown,
): Promise<never> {
  if (!(error instanceof Problem && error.problem === "DOM_LIMIT_REACHED")) throw error;
  const overview = await read(c, domain, "overview");
  if (!(holdsToken(auth, proof, overview) || (await mayLook(c)))) throw error;
  const { keyEncryptionKeys } = configOf(c.env);
  const members = await read(c, domain, "leastRecentlyRenewed", MEMBERS_SHOWN);
  const { memberCount, maxMembership } = overview;
  throw new Problem("DOM_LIMIT_REACHED", {
    ...error.details,
    detail: `${memberCount} of at most ${maxMembership} devices are members.`,
    members: {
      memberCount,
      leastRecentlyRenewed: await Promise.all(members.map((member) => memberShown(domain, member, keyEncryptionKeys))),
    },
  });
}

function holdsToken(auth: AuthEvidence, proof: DeviceProof | null, { authNamespace }: DomainOverview): boolean {
  if (auth.kind !== "verified") return false;
  // Whoever found a token that is bound to a key does not hold it.
  const holder = auth.keyThumbprint === null || auth.keyThumbprint === proof?.thumbprint;
  return holder && (authNamespace === null || authNamespace === auth.namespace);
}
