import { characterProblem, domainNameProblem } from "../../domain/names.ts";
import type { OwnDomain } from "../../domain/own-domain.ts";
import { overlay } from "../../domain/settings.ts";
import { DEFAULT_SETTINGS } from "../../domain/types.ts";
import { isPrefix, stem } from "../../protocol/namespace-patterns.ts";
import type { TrustedIssuer } from "./trusted-issuers.ts";

/** The template for the names of an issuer's domains, and the namespaces that the issuer speaks for. */
type Naming = Pick<TrustedIssuer, "namespace" | "namespaceClaim" | "namespaces"> & Readonly<{ domains: Domains }>;
type Domains = NonNullable<TrustedIssuer["domains"]>;

/** A template: the text it begins with, then placeholders, each with the text up to the next one. */
type Template = Readonly<{ start: string; parts: readonly Readonly<{ claim: string; text: string }>[] }>;

/** The placeholder of the token's namespace, whichever claim names it. */
const NAMESPACE = "namespace";

/** Checks the template of an issuer's domain names. @returns what is wrong with it; null if nothing is */
export function templateProblem(issuer: Naming): string | null {
  const template = templateOf(issuer);
  if (!template) return 'must be text and placeholders, such as "family:{sub}"';
  const { start, parts } = template;
  if (!parts.some(({ claim }) => claim === "sub")) return "must hold {sub}, the subject of the token";
  if (issuer.namespaceClaim !== undefined && !parts.some(({ claim }) => claim === NAMESPACE)) {
    return "must hold {namespace}, since subjects of two namespaces may be called the same";
  }
  if (parts.slice(0, -1).some(({ text }) => text === "")) return "needs text between two placeholders";
  if (start === "" && parts[0]?.claim !== NAMESPACE) return "must begin with text or {namespace}";
  // "*" stands for any namespace, and so for any beginning.
  if (reservedPrefixes(issuer).includes("")) return "must begin with text, since the issuer may name any namespace";
  return (issuer.namespaces ?? [""]).every((pattern) => makesNames(template, pattern))
    ? null
    : "makes names that no domain may have, at least with one of the namespaces (docs/api.md says what names may hold)";
}

function makesNames({ start, parts }: Template, pattern: string): boolean {
  const namespace = isPrefix(pattern) ? `${stem(pattern)}a` : pattern;
  const name = parts.map(({ claim, text }) => (claim === NAMESPACE ? namespace : "a") + text).join("");
  const follows = parts.filter(({ claim }) => claim === NAMESPACE).map(({ text }) => text);
  return domainNameProblem(start + name) === null && follows.every((text) => valueProblem(namespace, text) === null);
}

/** How the names begin that belong to an issuer. */
export function reservedPrefixes(issuer: Naming): readonly string[] {
  const { start, parts } = templateOf(issuer) ?? { start: "", parts: [] };
  const [first] = parts;
  if (first?.claim !== NAMESPACE) return [start];
  return (issuer.namespaces ?? []).map((pattern) =>
    isPrefix(pattern) ? start + stem(pattern) : start + pattern + first.text,
  );
}

/** Whether a name belongs to an issuer. */
export function reserves(issuer: TrustedIssuer, name: string): boolean {
  return hasDomains(issuer) && reservedPrefixes(issuer).some((prefix) => name.startsWith(prefix));
}

/** Whether a name could be made by tokens of both issuers. Entries of one issuer may make names alike. */
export function shareNames(one: TrustedIssuer, other: TrustedIssuer): boolean {
  if (!hasDomains(one) || !hasDomains(other)) return false;
  const areAlike =
    one.issuer === other.issuer &&
    one.domains.name === other.domains.name &&
    one.namespace === other.namespace &&
    one.namespaceClaim === other.namespaceClaim;
  if (areAlike) return false;
  const others = reservedPrefixes(other);
  return reservedPrefixes(one).some((prefix) =>
    others.some((another) => prefix.startsWith(another) || another.startsWith(prefix)),
  );
}

function hasDomains(issuer: TrustedIssuer): issuer is TrustedIssuer & Naming {
  return issuer.domains !== undefined;
}

/**
 * The domain that belongs to the subject of a token; or what is wrong with its claims, as a sentence for its holder. No two
 * sets of claims make the same name: read from the left, each value ends where the text after it first occurs.
 */
export function ownDomain(
  issuer: Naming,
  namespace: string,
  claims: Readonly<Record<string, unknown>>,
): OwnDomain | { problem: string } {
  const { start, parts } = templateOf(issuer) ?? { start: "", parts: [] };
  const values = parts.map(({ claim, text }) =>
    claim === NAMESPACE
      ? { claim: issuer.namespaceClaim ?? NAMESPACE, value: namespace, text }
      : { claim, value: claims[claim], text },
  );
  for (const { claim, value, text } of values) {
    const problem = valueProblem(value, text);
    if (problem) return { problem: unfit([claim], problem) };
  }
  const name = start + values.map(({ value, text }) => value + text).join("");
  const problem = domainNameProblem(name);
  if (problem) return { problem: unfit([...new Set(values.map(({ claim }) => claim))], `the name ${problem}`) };

  const { name: _, maxMembershipClaim, ...defaults } = issuer.domains;
  const claimed = maxMembershipClaim === undefined ? undefined : claims[maxMembershipClaim];
  if (claimed !== undefined && !isCount(claimed)) {
    return { problem: `The token's ${maxMembershipClaim} claim must be a whole number, 0 or above.` };
  }
  const owner = { authenticationRequired: true, authNamespace: namespace, ownerSubject: claims.sub as string };
  const maximum = claimed === undefined ? {} : { maxMembership: claimed };
  const settings = overlay(DEFAULT_SETTINGS, { ...defaults, ...owner, ...maximum });
  return { name, settings, claimedMaximum: claimed ?? null };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Why a value cannot stand in a name before this text; null if it can. */
function valueProblem(value: unknown, text: string): string | null {
  if (typeof value !== "string" || value === "") return "it must be a string, and not empty";
  const problem = characterProblem(value);
  if (problem) return `it ${problem}`;
  // Not `includes`: "a:" before "::" holds no "::", and still makes the name of "a" before ":::".
  const endsEarly = text !== "" && (value + text).indexOf(text) < value.length;
  return endsEarly ? `it must not hold "${text}", which follows it in the name` : null;
}

function unfit(claims: readonly string[], problem: string): string {
  const named = `${claims.join(" and ")} ${claims.length > 1 ? "claims" : "claim"}`;
  return `The token's ${named} cannot be part of a domain name: ${problem}.`;
}

/** The template of an issuer's domain names, its namespace written in if it has but one; null if it is malformed. */
function templateOf({ domains, namespace }: Naming): Template | null {
  const text = namespace === undefined ? domains.name : domains.name.replaceAll(`{${NAMESPACE}}`, () => namespace);
  if (!/^[^{}]*(\{[^{}]+\}[^{}]*)+$/.test(text)) return null;
  const parts = [...text.matchAll(/\{([^{}]+)\}([^{}]*)/g)].map(([, claim = "", after = ""]) => ({
    claim,
    text: after,
  }));
  return { start: text.slice(0, text.indexOf("{")), parts };
}
