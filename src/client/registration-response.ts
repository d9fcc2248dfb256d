import { decodeJwt } from "jose";
import type { StoredCredential, StoredKey } from "./device-state.ts";
import {
  type CredentialContext,
  checkCredentials,
  hasSealedCredentials,
  type SealedCredentials,
  untrusted,
} from "./sealed-credentials.ts";

/** The expectations of a response to a registration. */
type RegistrationContext = CredentialContext &
  Readonly<{
    domain: string;
    machineGuid: string;
    held: readonly StoredCredential[];
    sealingKey: StoredKey;
  }>;

/** A registration that holds up: all credentials that the device has from now on. */
type CheckedRegistration = Readonly<{
  newMember: boolean;
  keyVersion: number;
  credentials: readonly StoredCredential[];
}>;

type RegistrationAnswer = SealedCredentials &
  Readonly<{ domain: string; machineGuid: string; newMember: boolean; keyVersion: number }>;

/**
 * Checks the response to a registration that asked for the newest credential, in every part before anything of it is kept.
 *
 * @throws DeviceDomainError `UNTRUSTED_ANSWER`, or `UNREACHABLE` if the authority's keys cannot be had
 */
export async function checkRegistration(body: unknown, context: RegistrationContext): Promise<CheckedRegistration> {
  const answer = answerFor(body, context);
  const { newMember, keyVersion, credentials } = answer;
  if (credentials.length !== 1 || credentials[0]?.keyVersion !== keyVersion) {
    throw untrusted("it does not bring the newest key, and that alone");
  }
  const [newest] = (await checkCredentials(answer, context.sealingKey, context)) as [StoredCredential];
  const present = context.held.at(-1);
  // After a restore a version may be made anew: by another key, whose token is not older. A response of long ago is.
  if (
    present &&
    keyVersion <= present.keyVersion &&
    newest.kid !== present.kid &&
    issuedAt(newest) < issuedAt(present)
  ) {
    throw untrusted("it goes back to a former key");
  }
  return { newMember, keyVersion, credentials: [...withCredentials(context.held, [newest], newest.kid), newest] };
}

/** Credentials with more of them, in the order of their versions, but for the newest. */
export function withCredentials(
  held: readonly StoredCredential[],
  more: readonly StoredCredential[],
  newestKid: string | undefined,
): readonly StoredCredential[] {
  const byKid = new Map([...more, ...held].map((credential) => [credential.kid, credential]));
  return [...byKid.values()].filter(({ kid }) => kid !== newestKid).sort((a, b) => a.keyVersion - b.keyVersion);
}

/** A response as far as it can be read, which must be this device's. @throws DeviceDomainError `UNTRUSTED_ANSWER` */
export function answerFor(
  body: unknown,
  { domain, machineGuid }: Pick<RegistrationContext, "domain" | "machineGuid">,
): RegistrationAnswer {
  const answer = body as RegistrationAnswer | null;
  const wellFormed =
    typeof answer === "object" &&
    answer !== null &&
    typeof answer.newMember === "boolean" &&
    Number.isSafeInteger(answer.keyVersion) &&
    hasSealedCredentials(answer);
  if (!wellFormed) throw untrusted("it is not what a registration is answered with");
  if (answer.domain !== domain || answer.machineGuid !== machineGuid) throw untrusted("it is for another device");
  return answer;
}

function issuedAt({ token }: StoredCredential): number {
  return decodeJwt(token).iat ?? 0;
}
