import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authenticationRefusal } from "../../src/domain/authentication.ts";
import type { Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import type { OwnDomain } from "../../src/domain/own-domain.ts";
import type { Registration } from "../../src/domain/registration.ts";
import {
  type AuthEvidence,
  DEFAULT_SETTINGS,
  type DomainSettings,
  type DomainState,
  NEWBORN,
} from "../../src/domain/types.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

/** The evidence of a subject's token, with the domain of that name if it has one. */
function token(subject: string, own?: Partial<OwnDomain>, namespace = "family"): AuthEvidence {
  const owner = { authenticationRequired: true, authNamespace: namespace, ownerSubject: subject };
  const name = `${namespace}:${subject}`;
  const ownDomain = own && {
    name,
    settings: { ...DEFAULT_SETTINGS, ...owner, maxMembership: 5 },
    claimedMaximum: null,
    ...own,
  };
  return {
    kind: "verified",
    namespace,
    keyThumbprint: null,
    subject,
    subjectHash: subject,
    ...(ownDomain ? { ownDomain } : {}),
  };
}
const claiming = (subject: string, maximum: number) => {
  const { ownDomain } = token(subject, {}) as { ownDomain: OwnDomain };
  return token(subject, { settings: { ...ownDomain.settings, maxMembership: maximum }, claimedMaximum: maximum });
};

const ANONYMOUS = { kind: "none" } as const;
const OWN_LOOKING = { ...NEWBORN, name: "family:alice", isReserved: true };

let requests = 0;
const join = (machineGuid: string, auth: AuthEvidence, more: Partial<Registration> = {}): Registration => ({
  type: "register",
  requestId: `request ${++requests}`,
  machineGuid,
  auth,
  afterKeyVersion: 0,
  maxCredentials: 100,
  proof: null,
  sealed: false,
  ...more,
});
const leave = (machineGuid: string, auth: AuthEvidence, preview = false): Command => ({
  type: "deregister",
  requestId: `request ${++requests}`,
  machineGuid,
  auth,
  preview,
  proof: null,
  idempotencyKey: null,
});
const configure = (patch: Partial<DomainSettings>, mode: "replace" | "merge" = "replace"): Command => ({
  type: "settings",
  requestId: `request ${++requests}`,
  by: "op",
  mode,
  patch,
});

const after = (state: DomainState, ...commands: Command[]) => decideBatch(state, commands, NOW);
const errors = (state: DomainState, ...commands: Command[]) =>
  after(state, ...commands).outcomes.map((outcome) => (outcome?.granted === false ? outcome.refusal.error : null));
const refused = "DOM_AUTHENTICATION_REQUIRED";

describe("a domain that its owner's token makes", () => {
  it("has an owner and its defaults from birth, and says so in the log", () => {
    const { state, events } = after(OWN_LOOKING, join("a", token("alice", {})));
    expect(events.map(({ type }) => type)).toEqual(["domain-created", "settings-changed", "device-joined", "key-made"]);
    expect(events[1]).toMatchObject({ by: "token", previous: DEFAULT_SETTINGS, settings: { ownerSubject: "alice" } });
    expect(events[2]).toMatchObject({ subjectHash: "alice" });
    expect(state).toMatchObject({ memberCount: 1, settings: { authenticationRequired: true, maxMembership: 5 } });
  });

  it("is not made by a registration that its own defaults refuse", () => {
    const { ownDomain } = token("alice", {}) as { ownDomain: OwnDomain };
    const signed = token("alice", { settings: { ...ownDomain.settings, deviceKeyRequired: true } });
    expect(errors(OWN_LOOKING, join("a", signed))).toEqual(["DEVICE_KEY_REQUIRED"]);
    expect(errors(OWN_LOOKING, join("a", claiming("alice", 0)))).toEqual(["DOM_LIMIT_REACHED"]);
    expect(after(OWN_LOOKING, join("a", signed), join("a", claiming("alice", 0))).events).toEqual([]);
  });

  it("is not made where the server lets nobody make domains", () => {
    for (const creationRefusal of ["DOMAIN_NOT_FOUND", "RATE_LIMITED"] as const) {
      expect(errors(OWN_LOOKING, join("a", token("alice", {}), { creationRefusal }))).toEqual([creationRefusal]);
    }
  });
});

describe("the maximum that a token names", () => {
  const { state: born } = after(OWN_LOOKING, join("a", claiming("alice", 2)), join("b", claiming("alice", 2)));

  it("holds from birth", () => {
    expect(errors(born, join("c", claiming("alice", 2)))).toEqual(["DOM_LIMIT_REACHED"]);
  });

  it("is raised by the registration that names a higher one", () => {
    const { state, events } = after(born, join("c", claiming("alice", 3)));
    expect(events[0]).toMatchObject({ type: "settings-changed", by: "token", previous: { maxMembership: 2 } });
    expect(state).toMatchObject({ memberCount: 3, settings: { maxMembership: 3, ownerSubject: "alice" } });
  });

  it("is lowered by a renewal, which keeps the members there are", () => {
    const { state } = after(born, join("a", claiming("alice", 1)));
    expect(state).toMatchObject({ memberCount: 2, settings: { maxMembership: 1 } });
    expect([...state.members.keys()]).toEqual(["a", "b"]);
    expect(errors(state, join("b", claiming("alice", 1)), join("c", claiming("alice", 1)))).toEqual([
      null,
      "DOM_LIMIT_REACHED",
    ]);
  });

  it("changes nothing by a registration that is refused", () => {
    expect(after(born, join("c", claiming("alice", 1))).state).toEqual(born);
  });

  it("stays as it is for a token that names none, as an operator may have set it", () => {
    const { state } = after(born, configure({ maxMembership: 9, retireAfterDays: 7 }, "merge"));
    expect(after(state, join("a", token("alice", {}))).events).toEqual([]);
    const changed = after(state, join("a", claiming("alice", 2))).state.settings;
    expect(changed).toEqual({ ...state.settings, maxMembership: 2 });
  });

  it("counts for its own domain alone", () => {
    const bound = { authenticationRequired: true, authNamespace: "family", ownerSubject: "alice", maxMembership: 7 };
    const { state } = after({ ...NEWBORN, name: "den" }, configure(bound));
    expect(after(state, join("a", claiming("alice", 2))).state.settings.maxMembership).toBe(7);
  });
});

describe("a reserved name", () => {
  const others: AuthEvidence[] = [
    ANONYMOUS,
    { kind: "invalid", reason: "expired" },
    token("bob", {}),
    token("alice"),
    token("alice", undefined, "studio"),
    token("alice", { name: "family:alice2" }),
  ];

  it("makes no domain for anybody but its owner", () => {
    for (const auth of others) {
      expect(errors(OWN_LOOKING, join("a", auth), leave("a", auth))).toEqual([refused, refused]);
    }
    expect(after(OWN_LOOKING, ...others.map((auth) => join("a", auth))).events).toEqual([]);
  });

  it("asks for its owner's token whatever the settings say", () => {
    const { state: open } = after(OWN_LOOKING, configure({}));
    for (const auth of others) expect(errors(open, join("a", auth))).toEqual([refused]);
    const { state, outcomes } = after(open, join("a", token("alice", {})));
    expect(outcomes[0]).toMatchObject({ granted: true });
    // An operator made it: it keeps its settings.
    expect(state.settings).toEqual(DEFAULT_SETTINGS);
    for (const auth of others) {
      const asked = [join("a", auth), leave("a", auth), leave("a", auth, true)];
      expect(errors(state, ...asked)).toEqual([refused, refused, refused]);
    }
  });

  it("counts what a token is bound to, whatever the settings say", () => {
    const { state: open } = after(OWN_LOOKING, configure({}));
    const bound = { ...token("alice", {}), keyThumbprint: "key" } as AuthEvidence;
    expect(errors(open, join("a", bound))).toEqual(["DEVICE_PROOF_INVALID"]);
  });

  it("has its owner's token put off while the issuer's keys cannot be had", () => {
    const unavailable = { kind: "unavailable", reason: "down" } as const;
    expect(errors(OWN_LOOKING, join("a", unavailable))).toEqual(["TEMPORARILY_UNAVAILABLE"]);
  });

  it("may be bound to another owner by hand, and is then refused to the first", () => {
    const bound = { authenticationRequired: true, authNamespace: "studio", ownerSubject: "carol" };
    const { state } = after(OWN_LOOKING, configure(bound));
    expect(errors(state, join("a", token("alice", {})), join("a", token("carol", undefined, "studio")))).toEqual([
      refused,
      null,
    ]);
  });
});

describe("a token with a domain of its own", () => {
  const den = { ...NEWBORN, name: "den" };

  it("is refused everywhere else, also where nobody needs a token, and makes no domain there", () => {
    expect(errors(den, join("a", token("alice", {})))).toEqual([refused]);
    expect(after(den, join("a", token("alice", {}))).events).toEqual([]);
    const { state } = after(den, join("a", ANONYMOUS));
    const asked = [join("a", token("alice", {})), leave("a", token("alice", {})), leave("a", token("alice", {}), true)];
    expect(errors(state, ...asked)).toEqual([refused, refused, refused]);
    expect(errors(state, leave("a", ANONYMOUS))).toEqual([null]);
  });

  it("is refused where any token of its namespace is taken", () => {
    const { state } = after(den, configure({ authenticationRequired: true, authNamespace: "family" }));
    expect(errors(state, join("a", token("alice", {})), join("a", token("alice")))).toEqual([refused, null]);
  });

  it("is taken where an operator bound the domain to its subject and namespace", () => {
    const owner = { authenticationRequired: true, authNamespace: "family", ownerSubject: "alice" };
    const { state } = after(den, configure(owner));
    expect(errors(state, join("a", token("alice", {})), join("b", token("alice")))).toEqual([null, null]);
    expect(errors(state, join("c", token("bob", {})), join("c", token("bob")))).toEqual([refused, refused]);
    expect(errors(state, join("c", token("alice", {}, "studio")))).toEqual([refused]);
  });
});

it("tells the caller what is wrong with its own token, and names nobody else", () => {
  const details = (state: DomainState, auth: AuthEvidence) => authenticationRefusal(state, auth)?.detail;
  const owned = { authenticationRequired: true, authNamespace: "family", ownerSubject: "alice" };
  const { state } = after({ ...NEWBORN, name: "den" }, configure(owned));
  expect(details(state, token("bob"))).toBe("The token is of another subject.");
  expect(details(state, token("alice", undefined, "studio"))).toBe(
    "The token has another auth namespace than the domain requires.",
  );
  expect(details(state, token("bob", {}))).toBe("The token is for another domain.");
  expect(details(OWN_LOOKING, token("bob"))).toBe("This domain name is reserved for another issuer.");
  expect(details(OWN_LOOKING, { kind: "invalid", reason: "why", detail: "Why." })).toBe("Why.");
  expect(details(OWN_LOOKING, { kind: "invalid", reason: "ERR_JWT_EXPIRED" })).toBeUndefined();
  expect(details(OWN_LOOKING, ANONYMOUS)).toBeUndefined();
});

it("lets nobody into a household, and out of it, but its owner, whatever came before", () => {
  const subjects = ["alice", "bob", "mallory"];
  const auths = [
    ANONYMOUS,
    ...subjects.flatMap((subject) => [
      token(subject, {}),
      claiming(subject, 1),
      claiming(subject, 3),
      token(subject),
      token(subject, undefined, "studio"),
    ]),
  ];
  const owners = [token("alice", {}), claiming("alice", 1), claiming("alice", 3), token("alice")];
  const isOwners = (auth: AuthEvidence) => owners.some((each) => JSON.stringify(each) === JSON.stringify(auth));
  const device = fc.constantFrom("a", "b", "c", "d");
  const auth = fc.constantFrom(...auths);
  const command = fc.oneof(
    fc.tuple(device, auth).map(([guid, by]) => join(guid, by)),
    fc.tuple(device, auth, fc.boolean()).map(([guid, by, preview]) => leave(guid, by, preview)),
  );
  let served = 0;
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
      const history = [
        join("first", token("alice", {})),
        ...commands.map((each) => ({ ...each, requestId: `${++requests}` })),
      ];
      let state: DomainState = OWN_LOOKING;
      for (const each of history) {
        const { outcomes, state: next, events } = decideBatch(state, [each], NOW);
        const by = (each as Registration).auth;
        if (!isOwners(by)) {
          expect(outcomes[0]).toMatchObject({ granted: false, refusal: { error: refused } });
          expect(events).toEqual([]);
        } else if (outcomes[0]?.granted) served++;
        const { maxMembership } = next.settings;
        if (next.memberCount > state.memberCount) expect(next.memberCount).toBeLessThanOrEqual(maxMembership as number);
        expect(next.settings.ownerSubject).toBe("alice");
        state = next;
      }
    }),
  );
  expect(served).toBeGreaterThan(100);
});
