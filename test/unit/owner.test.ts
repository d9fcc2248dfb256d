import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import { ownerRefusal } from "../../src/domain/owner.ts";
import type { Registration } from "../../src/domain/registration.ts";
import { type AuthEvidence, DEFAULT_SETTINGS, type DomainState, NEWBORN } from "../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../src/protocol/limits.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const OWNED = { authenticationRequired: true, authNamespace: "studio", ownerSubject: "alice" };
const SETTINGS = { ...DEFAULT_SETTINGS, ...OWNED };
const tokenOf = (subject: string, more: object = {}): AuthEvidence => ({
  kind: "verified",
  namespace: "studio",
  keyThumbprint: null,
  subject,
  ...more,
});
const ALICE = tokenOf("alice");
/** A domain with these settings, as far as its owner goes. */
const domainWith = (settings: typeof SETTINGS | typeof DEFAULT_SETTINGS, isReserved = false) => {
  return { name: "home:alice", isReserved, settings };
};

describe("the owner of a domain", () => {
  it("is who shows a token of its namespace and subject", () => {
    expect(ownerRefusal(domainWith(SETTINGS), ALICE)).toBeNull();
  });

  it.each<[string, AuthEvidence]>([
    ["without a token", { kind: "none" }],
    ["with a bad token", { kind: "invalid", reason: "expired" }],
    ["of another subject", tokenOf("bob")],
    ["of another case", tokenOf("ALICE")],
    ["of another namespace", tokenOf("alice", { namespace: "arcade" })],
    ["without a subject", { kind: "verified", namespace: "studio", keyThumbprint: null }],
    ["with a token that is bound to a key", tokenOf("alice", { keyThumbprint: "thumbprint" })],
  ])("is nobody %s", (_, auth) => {
    const refusal = ownerRefusal(domainWith(SETTINGS), auth);
    expect(refusal?.error).toBe("DOM_AUTHENTICATION_REQUIRED");
    // Told, it would say whether there is another owner.
    expect(refusal?.detail).toBeUndefined();
  });

  it("is not known while the issuer cannot be asked", () => {
    const refusal = ownerRefusal(domainWith(SETTINGS), { kind: "unavailable", reason: "no keys" });
    expect(refusal?.error).toBe("TEMPORARILY_UNAVAILABLE");
  });

  it("is nobody where none is set, which those are told whose tokens the domain takes", () => {
    const ofNamespace = { ...SETTINGS, ownerSubject: null };
    expect(ownerRefusal(domainWith(ofNamespace), ALICE)?.error).toBe("NOT_FOUND");
    expect(ownerRefusal(domainWith(DEFAULT_SETTINGS), ALICE)?.error).toBe("NOT_FOUND");
    const stranger = tokenOf("alice", { namespace: "arcade" });
    expect(ownerRefusal(domainWith(ofNamespace), stranger)).toEqual(ownerRefusal(domainWith(SETTINGS), stranger));
  });

  it("is the subject that a reserved name belongs to, unless the domain is bound to another", () => {
    const own = (name: string) => tokenOf("alice", { ownDomain: { name, settings: SETTINGS, claimedMaximum: null } });
    const unbound = domainWith(DEFAULT_SETTINGS, true);
    expect(ownerRefusal(unbound, own("home:alice"))).toBeNull();
    // The same for all others: it says nothing of whose the domain is.
    for (const auth of [own("home:bob"), ALICE]) {
      expect(ownerRefusal(unbound, auth)?.error).toBe("DOM_AUTHENTICATION_REQUIRED");
    }
    const bound = domainWith({ ...SETTINGS, ownerSubject: "carol" }, true);
    expect(ownerRefusal(bound, own("home:alice"))?.error).toBe("DOM_AUTHENTICATION_REQUIRED");
    const otherNamespace = domainWith({ ...DEFAULT_SETTINGS, authNamespace: "arcade" }, true);
    expect(ownerRefusal(otherNamespace, own("home:alice"))?.error).toBe("DOM_AUTHENTICATION_REQUIRED");
  });
});

let requests = 0;
const requestId = () => `request ${++requests}`;
const join = (machineGuid: string, sealedName?: string): Registration => ({
  type: "register",
  requestId: requestId(),
  machineGuid,
  auth: ALICE,
  afterKeyVersion: 0,
  maxCredentials: MAX_CREDENTIALS,
  proof: null,
  sealed: false,
  ...(sealedName === undefined ? {} : { sealedName }),
});
const rename = (machineGuid: string, sealedName: string | null, auth = ALICE): Command => {
  return { type: "rename", requestId: requestId(), machineGuid, auth, sealedName };
};
const remove = (machineGuids: readonly string[], auth = ALICE): Command => {
  return { type: "remove", requestId: requestId(), machineGuids, auth };
};
const configure: Command = { type: "settings", requestId: requestId(), by: "op", mode: "replace", patch: OWNED };

/** The state and the outcomes after some commands in an owned domain with two devices. */
function after(...commands: readonly Command[]) {
  const { state: before } = decideBatch(NEWBORN, [configure, join("a", "A"), join("b")], NOW);
  return { before, ...decideBatch(before, commands, NOW) };
}
const names = ({ members }: DomainState) => [...members].map(([guid, { sealedName }]) => [guid, sealedName]);

describe("the names of devices", () => {
  it("are those they join with, then those the owner gives; a device names itself only where it has no name", () => {
    expect(names(after().state)).toEqual([
      ["a", "A"],
      ["b", null],
    ]);
    const { state, events } = after(
      join("a", "A2"),
      rename("a", "A3"),
      join("a", "A4"),
      join("b", "B"),
      join("b", "B2"),
    );
    expect(names(state)).toEqual([
      ["a", "A3"],
      ["b", "B"],
    ]);
    expect(events.map(({ type }) => type)).toEqual(["device-named", "device-named"]);
  });

  it("are not taken from those who have none, nor given by others than the owner", () => {
    for (const command of [rename("b", null), rename("c", "C"), rename("a", "X", tokenOf("bob"))]) {
      const { state, before, events } = after(command);
      expect(events).toEqual([]);
      expect(state).toEqual(before);
    }
  });

  it("stay in the membership alone: what else is known of it does not change", () => {
    const { before, state } = after(rename("a", "A2"));
    expect(state.members.get("a")).toEqual({ ...before.members.get("a"), sealedName: "A2" });
    expect({ ...state, revision: 0, members: null, records: null }).toEqual({
      ...before,
      revision: 0,
      members: null,
      records: null,
    });
  });
});

describe("a removal by the owner", () => {
  it("removes those of the devices that are members, once each, and has a rollover due at once", () => {
    const { state, outcomes, events } = after(remove(["b", "c", "b"]));
    expect(names(state)).toEqual([["a", "A"]]);
    expect(outcomes).toEqual([{ granted: true, grant: { removed: 1 } }]);
    expect(events).toMatchObject([{ type: "device-evicted", machineGuid: "b", by: "owner" }]);
    expect(state).toMatchObject({ memberCount: 1, keyRolloverRequired: true, rolloverNotBefore: 0 });
  });

  it("changes nothing where none is a member, or another one asks", () => {
    for (const command of [remove(["c"]), remove([]), remove(["a", "b"], tokenOf("bob"))]) {
      const { state, before, events } = after(command);
      expect(events).toEqual([]);
      expect(state).toEqual(before);
    }
  });

  it("is answered from its record if it is repeated, and brings nobody out who came back", () => {
    const command = remove(["a", "b"]);
    const { state, outcomes } = after(command, join("a"), command);
    expect(outcomes.filter((_, index) => index !== 1)).toEqual([
      { granted: true, grant: { removed: 2 } },
      { granted: true, grant: { removed: 2 } },
    ]);
    expect(names(state)).toEqual([["a", null]]);
  });

  it("is of no domain that does not exist", () => {
    for (const command of [remove(["a"]), rename("a", "A")]) {
      const { outcomes, events } = decideBatch(NEWBORN, [command], NOW);
      expect(outcomes).toMatchObject([{ granted: false, refusal: { error: "DOMAIN_NOT_FOUND" } }]);
      expect(events).toEqual([]);
    }
  });
});
