import { type Check, expectEqual, expectProblem, expectReply, expectThat } from "./expectations.ts";
import { versionsOf } from "./registration-checks.ts";
import type { TestedServer } from "./tested-server.ts";

async function everythingNeedsACredential(server: TestedServer) {
  for (const path of ["/admin/domains", "/admin/domains/den", "/admin/nothing", "/admin"]) {
    for (const headers of [{}, { authorization: "Bearer not-the-token" }] as Record<string, string>[]) {
      expectProblem(await server.ask(path, { headers }), 401, "ADMIN_AUTHENTICATION_REQUIRED");
    }
  }
}

async function settingsAreReplacedAndMerged(server: TestedServer) {
  const domain = await server.domainWith({ maxMembership: 5, deviceKeyRequired: true });
  expectReply(await domain.operate(""), 200, { maxMembership: 5, deviceKeyRequired: true });
  const patch = { method: "PATCH", body: { maxMembership: null } };
  expectReply(await domain.operate("", patch), 200, { maxMembership: null, deviceKeyRequired: true });
  expectReply(await domain.configure({ maxMembership: 7 }), 200, { maxMembership: 7, deviceKeyRequired: false });
}

async function evictionRollsOver(server: TestedServer) {
  const domain = await server.domainWith({});
  const [evicted, staying] = [await domain.join(), await domain.join()];
  expectReply(await domain.operate(`/members/${evicted.machineGuid}`, { method: "DELETE" }), 200);
  expectProblem(await domain.deregister(evicted.machineGuid), 403, "DEREG_DENIED", 401);
  expectReply(await domain.register(staying.machineGuid), 200, { newMember: false, keyVersion: 2 });
}

async function banKeepsOut(server: TestedServer) {
  const domain = await server.domainWith({});
  const { machineGuid } = await domain.join();
  const ban = `/bans/${machineGuid}`;
  expectThat(
    (await domain.operate(ban, { method: "PUT", body: { reason: "a check" } })).status < 300,
    "no ban is made",
  );
  expectProblem(await domain.register(machineGuid), 403, "DEVICE_BANNED");
  expectReply(await domain.operate(ban, { method: "DELETE" }), 200);
  expectReply(await domain.register(machineGuid), 201, { newMember: true });
}

async function retiredKeysAreKept(server: TestedServer) {
  const domain = await server.domainWith({});
  await domain.join();
  expectReply(await domain.operate("/rollover", { method: "POST", body: { when: "now" } }), 200, { keyVersion: 2 });
  expectReply(await domain.operate("/retired-keys", { method: "PUT", body: { upTo: 1 } }), 200, { retiredUpTo: 1 });
  const { machineGuid, reply } = await domain.join();
  expectEqual("the versions that are handed out", versionsOf(reply), [2]);
  const page = expectReply(await domain.ask("/keys/2/history"), 200);
  expectEqual("the versions of the history", versionsOf(page), []);
  expectReply(await domain.operate("/retired-keys", { method: "PUT", body: { upTo: 0 } }), 200, { retiredUpTo: 0 });
  expectEqual("the versions that are back", versionsOf(await domain.register(machineGuid)), [1, 2]);
}

async function deletedDomainGoesOnAbove(server: TestedServer) {
  const domain = await server.domainWith({});
  await domain.join();
  expectReply(await domain.operate(`?confirm=${domain.name}`, { method: "DELETE" }), 200);
  expectProblem(await domain.ask(), 404, "DOMAIN_NOT_FOUND");
  const { reply } = await domain.join();
  expectReply(reply, 201, { keyVersion: 2 });
  expectEqual("the versions of the later domain", versionsOf(reply), [2]);
}

async function membersArePaged(server: TestedServer) {
  const domain = await server.domainWith({});
  const joined = [await domain.join(), await domain.join(), await domain.join()];
  const handles = new Set<string>();
  let cursor = "";
  for (let pages = 0; pages < joined.length; pages++) {
    const { body } = expectReply(await domain.operate(`/members?limit=1${cursor}`), 200);
    expectEqual("the rows of a page of one", body.members?.length, 1);
    handles.add(body.members[0].handle);
    cursor = `&cursor=${encodeURIComponent(body.nextCursor)}`;
  }
  expectEqual("the members on all pages", handles.size, joined.length);
}

const ADMIN = { section: "Admin", needs: ["admin token"] } as const;

/** Rules of operators' requests. */
export const ADMINISTRATION: readonly Check[] = [
  { section: "Admin", rule: "every path needs a credential", prove: everythingNeedsACredential },
  { ...ADMIN, rule: "PUT replaces settings, PATCH merges them", prove: settingsAreReplacedAndMerged },
  { ...ADMIN, rule: "an eviction has a rollover follow", prove: evictionRollsOver },
  { ...ADMIN, rule: "a ban keeps a device out", prove: banKeepsOut },
  { ...ADMIN, rule: "retired keys are handed out no more", prove: retiredKeysAreKept },
  { ...ADMIN, rule: "a later domain makes higher versions", prove: deletedDomainGoesOnAbove },
  { ...ADMIN, rule: "lists page by cursor", prove: membersArePaged },
];
