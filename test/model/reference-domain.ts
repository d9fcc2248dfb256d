import type { Step } from "./linearizability.ts";
import { inOrder, newestOf, pairsInOrder, same, versionsBetween } from "./lists.ts";
import { given, type ReferenceDomain, settingsOf, UNKNOWN } from "./reference-state.ts";
import type { Answer, Ask, Change, Overview, Repeat, TokenKind } from "./requests.ts";
import { TOKEN_SUBJECTS } from "./subjects.ts";

/** The most credentials or keys of one answer. */
const MOST_LISTED = 100;

/** Where every domain begins, and by what one tells its states apart. */
export const REFERENCE_STATES = {
  initial: UNKNOWN,
  nameOf: (domain: ReferenceDomain) => JSON.stringify(Object.values(domain)),
};

type Outcome = Readonly<{ after: ReferenceDomain; answer: Answer }>;

/**
 * The steps of a request, given its answer; null for one whose answer never came. Where the server looks
 * again to answer, others may have changed the domain since: that look is a step of its own.
 *
 * @param hasLosses whether the domain's object may have been lost in between: then the server repeats a registration,
 *   which says of a later moment which of its keys are retired, and a due rollover, which is carried out if due each time
 */
export function stepsOf(ask: Ask, answer: Answer | null, hasLosses = false): readonly Step<ReferenceDomain>[] {
  if (ask.ask === "lose") return [];
  if (answer === null) return [(domain) => carryOut(domain, ask).after];
  const succeeded = answer.status < 300;
  const { overview, reason, ...rest } = answer;
  const carriedOut: Step<ReferenceDomain> = (domain) => {
    const outcome = carryOut(domain, ask);
    return same(outcome.answer, rest) ? outcome.after : null;
  };
  switch (ask.ask) {
    case "replace-settings":
    case "merge-settings":
    case "rollover":
    case "retire":
      if (answer.error === "DOMAIN_NOT_FOUND") return carriedOutThenDeleted(ask);
      return succeeded ? [carriedOut, looked({ status: 200, overview: overview as Overview })] : [carriedOut];
    case "ban": {
      if (answer.error === "DOMAIN_NOT_FOUND") return carriedOutThenDeleted(ask);
      // Lifted again before the server looked: the ban was carried out all the same.
      const lifted = answer.error === "NOT_FOUND";
      if (!succeeded && !lifted) return [carriedOut];
      const banned: Step<ReferenceDomain> = lifted
        ? (domain) => (domain.exists ? carryOut(domain, ask).after : null)
        : carriedOut;
      const found = lifted ? undefined : reason;
      return [banned, (domain) => (new Map(domain.bans).get(ask.device) === found ? domain : null)];
    }
    case "overview":
      return [looked(answer)];
    case "register":
      return succeeded && hasLosses ? registeredThenLooked(ask, answer) : [carriedOut];
    case "due-rollover":
      return succeeded && hasLosses ? [(domain) => carryOut(domain, ask).after, carriedOut] : [carriedOut];
    default:
      return [carriedOut];
  }
}

/** Carried out or not: when the server looked, there was no domain. */
function carriedOutThenDeleted(ask: Change): readonly Step<ReferenceDomain>[] {
  return [(domain) => carryOut(domain, ask).after, (domain) => (domain.exists ? null : domain)];
}

function looked(answer: Answer): Step<ReferenceDomain> {
  return (domain) => (same(carryOut(domain, { ask: "overview" }).answer, answer) ? domain : null);
}

function registeredThenLooked(
  ask: Extract<Change, { ask: "register" }>,
  { credentials, older, ...granted }: Answer,
): readonly Step<ReferenceDomain>[] {
  const registered: Step<ReferenceDomain> = (domain) => {
    const { answer, after } = carryOut(domain, ask);
    const { credentials: _, older: __, ...rest } = answer;
    return same(rest, granted) ? after : null;
  };
  const listed = older === undefined ? { credentials } : { credentials, older };
  return [registered, (domain) => (same(handedOut(domain, ask, granted), listed) ? domain : null)];
}

/** The key versions that a registration is answered with. */
function handedOut(
  { retiredUpTo }: ReferenceDomain,
  { afterKeyVersion, newest }: Extract<Change, { ask: "register" }>,
  { keyVersion = 0 }: Pick<Answer, "keyVersion">,
): Pick<Answer, "credentials" | "older"> {
  const wanted = versionsBetween(Math.max(afterKeyVersion ?? 0, retiredUpTo), keyVersion + 1);
  const { listed, rest } = newestOf(wanted, newest ? 1 : MOST_LISTED);
  return { credentials: listed, ...rest };
}

/** The outcome of a request with an id: if it changed something before, it is answered as then and changes nothing. */
function carryOutOnce(domain: ReferenceDomain, { request, of }: Repeat): Outcome {
  // It speaks of the present each time: there is nothing to be done twice.
  if (of.ask === "due-rollover") return carryOut(domain, of);
  if (of.ask === "delete") return deleteOnce(domain, request);
  const record = new Map(domain.records).get(request);
  if (record === undefined) {
    const { after, answer } = carryOut(domain, of);
    const isChange = REFERENCE_STATES.nameOf(after) !== REFERENCE_STATES.nameOf(domain);
    const records = isChange ? pairsInOrder([...domain.records, [request, answer] as const]) : domain.records;
    return { after: { ...after, records }, answer };
  }
  if (of.ask !== "register") return { after: domain, answer: record };
  // The device was removed since: it has to ask anew.
  if (!domain.members.includes(of.device)) return { after: domain, answer: { status: 503 } };
  const { status, newMember = false, keyVersion = 0 } = record;
  return { after: domain, answer: { status, newMember, keyVersion, ...handedOut(domain, of, record) } };
}

/** The outcome of a deletion with an id: once it was carried out, it leaves a domain alone that came after it. */
function deleteOnce(domain: ReferenceDomain, request: number): Outcome {
  if (domain.deletedBy === request) return { after: domain, answer: { status: 200, deleted: true } };
  const { after, answer } = carryOut(domain, { ask: "delete" });
  return { after: domain.exists ? { ...after, deletedBy: request } : after, answer };
}

/** The outcome of a request by the reference logic. */
function carryOut(domain: ReferenceDomain, ask: Exclude<Ask, { ask: "lose" }>): Outcome {
  const refuse = (status: number, error: string): Outcome => ({ after: domain, answer: { status, error } });
  const answer = (answer: Answer, after = domain): Outcome => ({ after, answer });
  const noDomain = refuse(404, "DOMAIN_NOT_FOUND");
  switch (ask.ask) {
    case "repeat":
      return carryOutOnce(domain, ask);
    case "register": {
      if (!authenticated(domain, ask.token)) return refuse(401, "DOM_AUTHENTICATION_REQUIRED");
      if (domain.deviceKeyRequired) return refuse(401, "DEVICE_KEY_REQUIRED");
      if (isBanned(domain, ask.device)) return refuse(403, "DEVICE_BANNED");
      const newMember = !domain.members.includes(ask.device);
      const isFull = domain.maxMembership !== null && domain.members.length >= domain.maxMembership;
      const subject = domain.authenticationRequired ? ask.token : null;
      if (newMember && (isFull || isOverQuota(domain, subject))) return refuse(409, "DOM_LIMIT_REACHED");
      const rolledOver = isRolloverDue(domain) ? withNextKey(domain) : domain;
      const { keyVersion } = rolledOver;
      const members = newMember ? inOrder([...domain.members, ask.device]) : domain.members;
      const joined: ReferenceDomain["subjects"] = newMember && subject !== null ? [[ask.device, subject]] : [];
      const subjects = pairsInOrder([...domain.subjects, ...joined]);
      return answer(
        { status: newMember ? 201 : 200, newMember, keyVersion, ...handedOut(domain, ask, { keyVersion }) },
        { ...rolledOver, exists: true, members, subjects },
      );
    }
    case "deregister": {
      if (!authenticated(domain, ask.token)) return refuse(401, "DOM_AUTHENTICATION_REQUIRED");
      if (domain.leaves.some(([key, device]) => key === ask.key && device === ask.device)) {
        return ask.preview ? refuse(422, "IDEMPOTENCY_KEY_REUSED") : answer({ status: 200, deregistered: true });
      }
      if (domain.deviceKeyRequired) return refuse(401, "DEVICE_KEY_REQUIRED");
      if (!domain.members.includes(ask.device)) return refuse(403, "DEREG_DENIED");
      if (ask.preview) return answer({ status: 200, deregistered: false });
      const leaves = ask.key === null ? domain.leaves : leavesInOrder([...domain.leaves, [ask.key, ask.device]]);
      // The newest key stays in use for a while. What is due or postponed already stays as it is.
      const rolloverWaits = domain.rolloverRequired ? domain.rolloverWaits : isPostponing(domain);
      const left = { ...without(domain, ask.device), leaves, rolloverWaits };
      return answer({ status: 200, deregistered: true }, left);
    }
    case "replace-settings":
      return settle(domain, { ...domain, ...settingsOf(UNKNOWN), ...given(ask.settings) }, refuse);
    case "merge-settings":
      return domain.exists ? settle(domain, { ...domain, ...given(ask.settings) }, refuse) : noDomain;
    case "rollover": {
      if (!domain.exists) return noDomain;
      const due = { ...domain, rolloverRequired: true, rolloverWaits: false };
      return answer({ status: 200 }, ask.when === "now" ? withNextKey(domain) : due);
    }
    case "due-rollover": {
      if (!domain.exists) return noDomain;
      const after = isRolloverDue(domain) ? withNextKey(domain) : domain;
      return answer({ status: 200, keyVersion: after.keyVersion }, after);
    }
    case "retire": {
      if (!domain.exists) return noDomain;
      const retiredUpTo = Math.max(ask.upTo, domain.lostUpTo);
      // Not the newest, which every registration must bring; to bring all back is always possible.
      if (retiredUpTo !== domain.retiredUpTo && retiredUpTo > 0 && retiredUpTo >= domain.keyVersion) {
        return refuse(400, "INVALID_REQUEST");
      }
      return answer({ status: 200 }, { ...domain, retiredUpTo });
    }
    case "evict":
      if (!domain.exists) return noDomain;
      if (!domain.members.includes(ask.device)) return refuse(404, "NOT_FOUND");
      return answer({ status: 200, evicted: true }, without(domain, ask.device));
    case "remove": {
      const refusal = ownerRefusal(domain, ask.token);
      if (refusal) return refuse(...refusal);
      if (!domain.members.includes(ask.device)) return refuse(404, "NOT_FOUND");
      return answer({ status: 200, removed: 1 }, without(domain, ask.device));
    }
    case "devices": {
      const refusal = ownerRefusal(domain, ask.token);
      return refusal ? refuse(...refusal) : answer({ status: 200, memberCount: domain.members.length });
    }
    case "ban": {
      if (!domain.exists) return noDomain;
      const others = domain.bans.filter(([device]) => device !== ask.device);
      const evicted = domain.members.includes(ask.device) ? without(domain, ask.device) : domain;
      const bans = pairsInOrder([...others, [ask.device, ask.reason]]);
      return answer({ status: isBanned(domain, ask.device) ? 200 : 201 }, { ...evicted, bans });
    }
    case "unban":
      if (!domain.exists) return noDomain;
      if (!isBanned(domain, ask.device)) return refuse(404, "NOT_FOUND");
      return answer(
        { status: 200, banned: false },
        { ...domain, bans: domain.bans.filter(([device]) => device !== ask.device) },
      );
    case "delete": {
      if (!domain.exists) return noDomain;
      const { keyVersion } = domain;
      const after = { ...UNKNOWN, keyVersion, retiredUpTo: keyVersion, lostUpTo: keyVersion };
      return answer({ status: 200, deleted: true }, after);
    }
    case "overview":
      if (!domain.exists) return noDomain;
      return answer({
        status: 200,
        overview: {
          ...settingsOf(domain),
          rolloverIntervalSeconds: domain.rolloverIntervalSeconds ?? 0,
          keyVersion: domain.keyVersion,
          retiredUpTo: domain.retiredUpTo,
          keyRolloverRequired: domain.rolloverRequired,
          memberCount: domain.members.length,
        },
      });
    case "members":
      return domain.exists ? answer({ status: 200, members: domain.members }) : noDomain;
    case "keys": {
      if (!domain.exists) return noDomain;
      const all = versionsBetween(
        domain.lostUpTo,
        Math.min(ask.before ?? Number.POSITIVE_INFINITY, domain.keyVersion + 1),
      );
      const { listed, rest } = newestOf(all, MOST_LISTED);
      return answer({ status: 200, keys: { versions: listed, current: currentVersion(domain) }, ...rest });
    }
    case "key":
      if (!domain.exists) return noDomain;
      if (!hasKey(domain, ask.version)) return refuse(404, "NOT_FOUND");
      return answer({ status: 200, keys: { versions: [ask.version], current: currentVersion(domain) } });
    case "history": {
      const { keyVersion, before } = ask;
      if (before !== null && before > keyVersion) return refuse(400, "INVALID_REQUEST");
      if (!domain.exists) return noDomain;
      if (!hasKey(domain, keyVersion)) return refuse(404, "NOT_FOUND");
      const { listed, rest } = newestOf(versionsBetween(domain.retiredUpTo, before ?? keyVersion), MOST_LISTED);
      return answer({ status: 200, keyVersion, credentials: listed, ...rest });
    }
  }
}

function hasKey({ keyVersion, lostUpTo }: ReferenceDomain, version: number): boolean {
  return version > lostUpTo && version <= keyVersion;
}

/** Whether the devices that joined by a token are as many as one may have. */
function isOverQuota({ maxMembershipPerSubject, subjects }: ReferenceDomain, subject: TokenKind | null): boolean {
  const present = subjects.filter(([, other]) => other === subject).length;
  return maxMembershipPerSubject !== null && present >= maxMembershipPerSubject;
}

/** Whether the next registration makes a key. */
function isRolloverDue({ rolloverRequired, rolloverWaits }: ReferenceDomain): boolean {
  return rolloverRequired && !rolloverWaits;
}

/** The version to encrypt to; null for none. */
function currentVersion(domain: ReferenceDomain): number | null {
  return isRolloverDue(domain) || domain.keyVersion === 0 ? null : domain.keyVersion;
}

function isPostponing({ rolloverIntervalSeconds }: ReferenceDomain): boolean {
  return rolloverIntervalSeconds !== null && rolloverIntervalSeconds > 0;
}

function withNextKey(domain: ReferenceDomain): ReferenceDomain {
  return { ...domain, keyVersion: domain.keyVersion + 1, rolloverRequired: false, rolloverWaits: false };
}

function authenticated(domain: ReferenceDomain, token: TokenKind): boolean {
  const { authenticationRequired, authNamespace, ownerSubject } = domain;
  if (!authenticationRequired) return true;
  if (token === "none" || token === "forged") return false;
  if (authNamespace !== null && authNamespace !== TOKEN_SUBJECTS[token].namespace) return false;
  return ownerSubject === null || ownerSubject === TOKEN_SUBJECTS[token].sub;
}

/** Why a token may not do what is the owner's; null for the owner's. */
function ownerRefusal(domain: ReferenceDomain, token: TokenKind): readonly [status: number, error: string] | null {
  const stranger = [401, "DOM_AUTHENTICATION_REQUIRED"] as const;
  if (token === "none" || token === "forged") return stranger;
  if (!domain.exists) return [404, "DOMAIN_NOT_FOUND"];
  const { namespace, sub } = TOKEN_SUBJECTS[token];
  if (domain.authNamespace !== null && domain.authNamespace !== namespace) return stranger;
  if (domain.ownerSubject === null) return [404, "NOT_FOUND"];
  return domain.ownerSubject === sub ? null : stranger;
}

function settle(before: ReferenceDomain, after: ReferenceDomain, refuse: (status: number, error: string) => Outcome) {
  const needsTokens = after.authNamespace !== null || after.maxMembershipPerSubject !== null;
  if (needsTokens && !after.authenticationRequired) return refuse(400, "INVALID_REQUEST");
  if (after.ownerSubject !== null && after.authNamespace === null) return refuse(400, "INVALID_REQUEST");
  // Without the interval that postponed it, a rollover is due; with a new one, what is due stays due.
  const rolloverWaits = before.rolloverWaits && isPostponing(after);
  return { after: { ...after, exists: true, rolloverWaits }, answer: { status: before.exists ? 200 : 201 } };
}

/** The domain without a device that was removed: a rollover is due. */
function without(domain: ReferenceDomain, device: number): ReferenceDomain {
  const members = domain.members.filter((member) => member !== device);
  const subjects = domain.subjects.filter(([member]) => member !== device);
  return { ...domain, members, subjects, rolloverRequired: true, rolloverWaits: false };
}

function isBanned(domain: ReferenceDomain, device: number): boolean {
  return domain.bans.some(([banned]) => banned === device);
}

function leavesInOrder(leaves: ReferenceDomain["leaves"]): ReferenceDomain["leaves"] {
  return leaves.toSorted(([a, first], [b, second]) => a - b || first - second);
}
