import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/domain/types.ts";
import { authorizationServers } from "../../src/server/auth/authorization-servers.ts";
import { ownDomain, reservedPrefixes, reserves, shareNames } from "../../src/server/auth/identity-domains.ts";
import { type TrustedIssuer, trustedIssuer } from "../../src/server/auth/trusted-issuers.ts";

const base = {
  issuer: "https://login.example",
  audience: "https://domains.example",
  jwksUri: "https://login.example/k",
};

type Entry = { name?: string; namespace?: string; namespaces?: readonly string[]; issuer?: string; defaults?: object };

/** An issuer with domains, checked as the configuration is. */
function issuerWith({ name = "{namespace}:{sub}", namespaces, namespace = "family", issuer, defaults = {} }: Entry) {
  const naming = namespaces ? { namespaceClaim: "tenant", namespaces } : { namespace };
  return trustedIssuer.parse({ ...base, ...(issuer ? { issuer } : {}), ...naming, domains: { name, ...defaults } });
}

/** The problem that a configuration with this entry is refused for; null if it is taken. */
function problemOf(entry: Entry): string | null {
  try {
    issuerWith(entry);
    return null;
  } catch (error) {
    return (error as { issues: { path: string[]; message: string }[] }).issues
      .map(({ path, message }) => `${path.join(".")}: ${message}`)
      .join("; ");
  }
}

type Issuer = TrustedIssuer & { domains: NonNullable<TrustedIssuer["domains"]> };
const made = (issuer: TrustedIssuer, namespace: string, claims: object) =>
  ownDomain(issuer as Issuer, namespace, claims as Record<string, unknown>);
const nameOf = (entry: Entry, namespace: string, claims: object) => {
  const own = made(issuerWith(entry), namespace, claims);
  return "name" in own ? own.name : null;
};
const problem = (entry: Entry, claims: object, namespace = "family") => {
  const own = made(issuerWith(entry), namespace, claims);
  return "problem" in own ? own.problem : null;
};

describe("the template of an issuer's domain names", () => {
  it.each([
    ["{namespace}:{sub}", "family:alice"],
    ["home:{sub}", "home:alice"],
    ["home:{sub}.{tier}", "home:alice.gold"],
    ["home:{sub}@{namespace}", "home:alice@family"],
    ["{namespace}{sub}", "familyalice"],
  ])("%s makes %s", (name, domain) => {
    expect(nameOf({ name }, "family", { sub: "alice", tier: "gold" })).toBe(domain);
  });

  it("takes the namespace that the token names", () => {
    const entry = { namespaces: ["acme", "video.*"] };
    expect(nameOf(entry, "acme", { sub: "alice" })).toBe("acme:alice");
    expect(nameOf(entry, "video.one", { sub: "alice" })).toBe("video.one:alice");
  });

  it.each([
    ["", "must be text and placeholders"],
    ["home", "must be text and placeholders"],
    ["home:{sub", "must be text and placeholders"],
    ["home:{}", "must be text and placeholders"],
    ["home:{{sub}}", "must be text and placeholders"],
    ["home:{tier}", "must hold {sub}"],
    ["home:{sub}{tier}", "needs text between"],
    ["{sub}:home", "must begin with text or {namespace}"],
    ["-home:{sub}", "makes names that no domain may have"],
    ["home/{sub}", "makes names that no domain may have"],
    ["home:{sub}:", "makes names that no domain may have"],
    ["home..{sub}", "makes names that no domain may have"],
    [`${"a".repeat(128)}{sub}`, "makes names that no domain may have"],
  ])("may not be %j", (name, message) => {
    expect(problemOf({ name })).toMatch(`domains.name: ${message}`);
  });

  it.each([
    [{ namespace: "family/one" }, "makes names that no domain may have"],
    [{ namespaces: ["acme/*"] }, "makes names that no domain may have"],
    [{ namespaces: ["acme", "-acme"] }, "makes names that no domain may have"],
    [{ namespaces: ["acme:video"] }, "makes names that no domain may have"],
    [{ namespaces: ["acme:*"] }, "makes names that no domain may have"],
    [{ namespaces: ["*"] }, "must begin with text, since the issuer may name any namespace"],
    [{ namespaces: ["acme"], name: "home:{sub}" }, "must hold {namespace}"],
  ] as const)("may not be used with %j", (entry, message) => {
    expect(problemOf(entry)).toMatch(`domains.name: ${message}`);
  });

  it("may be used with any namespace behind some text", () => {
    expect(problemOf({ namespaces: ["*"], name: "home:{namespace}:{sub}" })).toBeNull();
    expect(problemOf({ namespace: "urn:family" })).toBeNull();
  });

  it.each([
    { authenticationRequired: false },
    { authNamespace: "other" },
    { ownerSubject: "mallory" },
    { maxMembershipPerSubject: 2 },
    { maxMembership: -1 },
    { whenFull: "evict" },
    { maximum: 5 },
  ])("has no default %j", (defaults) => {
    expect(problemOf({ defaults })).toMatch(/^domains/);
  });
});

describe("the domain of a token", () => {
  const defaults = { maxMembershipClaim: "dlimit", maxMembership: 5, deviceKeyRequired: true, memberIdleDays: 90 };

  it("is born with an owner, the defaults and the maximum that the token names", () => {
    const owner = { authenticationRequired: true, authNamespace: "family", ownerSubject: "alice" };
    const settings = { ...DEFAULT_SETTINGS, deviceKeyRequired: true, memberIdleDays: 90, ...owner };
    const issuer = issuerWith({ defaults });
    const name = "family:alice";
    expect(made(issuer, "family", { sub: "alice" })).toEqual({
      name,
      settings: { ...settings, maxMembership: 5 },
      claimedMaximum: null,
    });
    for (const dlimit of [0, 3, 1_000_000]) {
      expect(made(issuer, "family", { sub: "alice", dlimit })).toEqual({
        name,
        settings: { ...settings, maxMembership: dlimit },
        claimedMaximum: dlimit,
      });
    }
    expect(made(issuerWith({}), "family", { sub: "alice", dlimit: 3 })).toEqual({
      name,
      settings: { ...DEFAULT_SETTINGS, ...owner },
      claimedMaximum: null,
    });
  });

  it.each([-1, 1.5, "5", null, true, [5], {}, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    "is refused for a maximum of %j",
    (dlimit) => {
      expect(problem({ defaults }, { sub: "alice", dlimit })).toBe(
        "The token's dlimit claim must be a whole number, 0 or above.",
      );
    },
  );

  const CHARACTERS = "it may hold only the characters A-Z a-z 0-9 . _ : @ ~ -";
  it.each([
    [undefined, "it must be a string, and not empty"],
    ["", "it must be a string, and not empty"],
    [7, "it must be a string, and not empty"],
    [["alice"], "it must be a string, and not empty"],
    ["auth0|alice", CHARACTERS],
    ["alice/../bob", CHARACTERS],
    ["alice%2e", CHARACTERS],
    ["älice", CHARACTERS],
    ["alice\n", CHARACTERS],
    ["alice ", CHARACTERS],
    ["alice.", "the name must begin and end with a letter or digit"],
    ["al..ice", "the name must not hold two dots in a row"],
    ["a".repeat(122), "the name must have at most 128 characters"],
  ])("is refused for the subject %j, by the name of the claim", (sub, why) => {
    expect(problem({}, { sub })).toBe(`The token's sub claim cannot be part of a domain name: ${why}.`);
  });

  it("is refused by the name of the claim that names the namespace, and by all that make a name too long", () => {
    const entry = { namespaces: ["acme*"] };
    expect(problem(entry, { sub: "alice" }, "acme:x")).toBe(
      'The token\'s tenant claim cannot be part of a domain name: it must not hold ":", which follows it in the name.',
    );
    expect(problem(entry, { sub: "alice" }, `acme${"x".repeat(120)}`)).toBe(
      "The token's tenant and sub claims cannot be part of a domain name: the name must have at most 128 characters.",
    );
  });

  it("never has the name that other claims make", () => {
    // All values of few characters, which are those of the texts between them, too: any collision is among these.
    const letters = [":", "b"];
    const pairs = letters.flatMap((one) => letters.map((other) => one + other));
    const values = [...letters, ...pairs, ...pairs.flatMap((pair) => letters.map((letter) => pair + letter))];
    const sets = values.flatMap((tenant) => values.flatMap((tier) => values.map((sub) => ({ tenant, tier, sub }))));
    const order = fc.shuffledSubarray(["namespace", "tier", "sub"], { minLength: 3 });
    const text = fc.constantFrom(...letters, ...pairs);
    fc.assert(
      fc.property(order, text, text, ([first, second, third], after, next) => {
        const issuer = issuerWith({ name: `x{${first}}${after}{${second}}${next}{${third}}`, namespaces: ["*"] });
        const names = sets.flatMap((set) => {
          const own = made(issuer, set.tenant, set);
          return "name" in own ? [own.name] : [];
        });
        expect(names.length).toBeGreaterThan(0);
        expect(new Set(names).size).toBe(names.length);
        expect(names.every((name) => reserves(issuer, name))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("tells where a value ends by the text after it, also if that overlaps with itself", () => {
    const entry = { name: "x{tier}::{sub}" };
    expect(nameOf(entry, "family", { tier: "a", sub: ":b" })).toBe("xa:::b");
    expect(nameOf(entry, "family", { tier: "a:", sub: "b" })).toBeNull();
  });
});

describe("names that belong to an issuer", () => {
  it.each([
    [{}, ["family:"]],
    [{ name: "home:{sub}" }, ["home:"]],
    [{ name: "home:{namespace}:{sub}" }, ["home:family:"]],
    [{ namespaces: ["acme", "video.*"] }, ["acme:", "video."]],
    [{ namespaces: ["acme", "video.*"], name: "tv-{namespace}-{sub}" }, ["tv-acme-", "tv-video."]],
    [{ namespaces: ["acme"], name: "home:{sub}@{namespace}" }, ["home:"]],
  ] as const)("begin, for %j, with %j", (entry, prefixes) => {
    expect(reservedPrefixes(issuerWith(entry) as Issuer)).toEqual(prefixes);
  });

  it("are its own, and no others", () => {
    const issuer = issuerWith({});
    for (const name of ["family:alice", "family:"]) expect(reserves(issuer, name)).toBe(true);
    for (const name of ["family", "familyalice", "Family:alice", "my-family:alice"]) {
      expect(reserves(issuer, name)).toBe(false);
    }
    expect(reserves(trustedIssuer.parse({ ...base, namespace: "family" }), "family:alice")).toBe(false);
  });

  const other = "https://other.example";
  it.each([
    [{ name: "home:{sub}" }, { name: "home:{sub}", issuer: other }, true],
    [{ name: "home:{sub}" }, { name: "home:tv:{sub}", issuer: other }, true],
    [{ name: "h{sub}" }, { namespace: "home", issuer: other }, true],
    [{ namespaces: ["acme*"] }, { name: "acme-tv:{sub}", issuer: other }, true],
    [{ name: "home:{sub}" }, { name: "house:{sub}", issuer: other }, false],
    [{ namespace: "acme" }, { namespace: "acme2", issuer: other }, false],
    // Of one issuer: alike, or apart.
    [{}, {}, false],
    [{ name: "home:{sub}" }, { name: "home:{sub}-{tier}" }, true],
    [{ name: "home:{sub}", namespace: "a" }, { name: "home:{sub}", namespace: "b" }, true],
  ] as const)("of %j may be those of %j: %s", (one, another, share) => {
    expect(shareNames(issuerWith(one), issuerWith(another))).toBe(share);
    expect(shareNames(issuerWith(another), issuerWith(one))).toBe(share);
  });

  it("are shared if any name is", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 3 });
    const template = letters.map((start) => `${start}{sub}`);
    fc.assert(
      fc.property(template, template, letters, letters, (name, another, sub, anothersSub) => {
        const [one, two] = [{ name }, { name: another, issuer: other }];
        fc.pre(nameOf(one, "family", { sub }) === nameOf(two, "family", { sub: anothersSub }));
        expect(shareNames(issuerWith(one), issuerWith(two))).toBe(true);
      }),
    );
  });
});

describe("the authorization servers of a domain", () => {
  const plain = (issuer: string, namespace: string) => trustedIssuer.parse({ ...base, issuer, namespace });
  const claiming = { ...base, issuer: "claiming", namespaceClaim: "tenant", namespaces: ["acme/*"] };
  const issuers = [
    plain("plain", "studio"),
    plain("plain", "arcade"),
    issuerWith({ issuer: "households" }),
    trustedIssuer.parse(claiming),
  ];
  const open = { authenticationRequired: false, authNamespace: null, ownerSubject: null };
  const guarded = { ...open, authenticationRequired: true };

  it.each([
    ["den", open, []],
    ["den", guarded, ["plain", "claiming"]],
    ["den", { ...guarded, authNamespace: "studio" }, ["plain"]],
    ["den", { ...guarded, authNamespace: "acme/tv" }, ["claiming"]],
    ["den", { ...guarded, authNamespace: "nobody's" }, []],
    // Its tokens are for the domains of their own names, and for those that are bound to their subjects.
    ["den", { ...guarded, authNamespace: "family" }, []],
    ["den", { ...guarded, authNamespace: "family", ownerSubject: "alice" }, ["households"]],
    ["family:alice", { ...guarded, authNamespace: "family", ownerSubject: "alice" }, ["households"]],
    ["family:alice", open, ["households"]],
    ["family:alice", { ...guarded, authNamespace: "studio", ownerSubject: "alice" }, ["plain"]],
  ] as const)("of %s with %j are %j", (domain, settings, servers) => {
    expect(authorizationServers(issuers, { domain, ...settings })).toEqual(servers);
  });
});
