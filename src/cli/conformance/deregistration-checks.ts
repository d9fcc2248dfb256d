import { type Check, expectEqual, expectProblem, expectReply } from "./expectations.ts";
import { den } from "./registration-checks.ts";
import type { TestedServer } from "./tested-server.ts";

async function leavingMakesNoDomain(server: TestedServer) {
  const domain = server.domain();
  for (const preview of [false, true]) {
    expectProblem(await domain.deregister(crypto.randomUUID(), { preview }), 403, "DEREG_DENIED", 401);
  }
  expectProblem(await domain.ask(), 404, "DOMAIN_NOT_FOUND");
}

async function nonMembersAreDenied(server: TestedServer) {
  const domain = await den(server);
  for (const preview of [false, true]) {
    expectProblem(await domain.deregister(crypto.randomUUID(), { preview }), 403, "DEREG_DENIED", 401);
  }
}

async function previewChangesNothing(server: TestedServer) {
  const domain = await den(server);
  const { machineGuid } = await domain.join();
  const answer = { domain: domain.name, machineGuid, preview: true, allowed: true, deregistered: false };
  expectReply(await domain.deregister(machineGuid, { preview: true }), 200, answer);
  expectEqual("currentKeyVersion after a preview", await domain.currentKeyVersion(), 1);
  expectReply(await domain.register(machineGuid), 200, { newMember: false, keyVersion: 1 });
}

async function leaveEndsMembership(server: TestedServer) {
  const domain = server.domain();
  const [leaving, staying] = [await domain.join(), await domain.join()];
  const answer = { domain: domain.name, machineGuid: leaving.machineGuid, preview: false, allowed: true };
  expectReply(await domain.deregister(leaving.machineGuid), 200, { ...answer, deregistered: true });
  expectProblem(await domain.deregister(leaving.machineGuid), 403, "DEREG_DENIED", 401);
  expectReply(await domain.register(staying.machineGuid), 200, { newMember: false });
  expectReply(await domain.register(leaving.machineGuid), 201, { newMember: true });
}

async function leaveMakesRolloverDue(server: TestedServer) {
  const domain = server.domain();
  const [leaving, staying] = [await domain.join(), await domain.join()];
  await domain.leave(leaving.machineGuid);
  expectEqual("currentKeyVersion after a leave", await domain.currentKeyVersion(), null);
  expectReply(await domain.ask(), 200, { keyVersion: 1 });
  expectReply(await domain.register(staying.machineGuid), 200, { keyVersion: 2 });
}

async function leaveMayBeRepeated(server: TestedServer) {
  const domain = server.domain();
  const [leaving, other] = [await domain.join(), await domain.join()];
  const key = { "idempotency-key": crypto.randomUUID() };
  const { body: first } = expectReply(await domain.deregister(leaving.machineGuid, {}, key), 200);
  const { body: again } = expectReply(await domain.deregister(leaving.machineGuid, {}, key), 200);
  expectEqual("the response to the repeated leave", again, first);
  const preview = await domain.deregister(leaving.machineGuid, { preview: true }, key);
  expectProblem(preview, 422, "IDEMPOTENCY_KEY_REUSED");
  expectProblem(await domain.deregister(leaving.machineGuid), 403, "DEREG_DENIED", 401);
  // The key of one device says nothing of another's leave.
  expectReply(await domain.deregister(other.machineGuid, {}, key), 200, { deregistered: true });
}

async function repeatedLeaveEndsNoLaterMembership(server: TestedServer) {
  const domain = server.domain();
  const { machineGuid } = await domain.join();
  const key = { "idempotency-key": crypto.randomUUID() };
  expectReply(await domain.deregister(machineGuid, {}, key), 200, { deregistered: true });
  expectReply(await domain.register(machineGuid), 201, { keyVersion: 2 });
  expectReply(await domain.deregister(machineGuid, {}, key), 200, { deregistered: true });
  expectReply(await domain.register(machineGuid), 200, { newMember: false, keyVersion: 2 });
}

/** The de-registration logic of the reference, step by step, and repetition. */
export const DEREGISTRATION: readonly Check[] = [
  { section: "De-registration, step 2", rule: "asking to leave makes no domain", prove: leavingMakesNoDomain },
  { section: "De-registration, step 4", rule: "who is not a member is denied", prove: nonMembersAreDenied },
  { section: "De-registration, step 5", rule: "a preview changes nothing", prove: previewChangesNothing },
  { section: "De-registration, step 5", rule: "a leave ends this membership alone", prove: leaveEndsMembership },
  { section: "De-registration, step 5", rule: "a leave makes a rollover due", prove: leaveMakesRolloverDue },
  { section: "De-register", rule: "a leave may be repeated by its key", prove: leaveMayBeRepeated },
  { section: "De-register", rule: "a repeat ends no later membership", prove: repeatedLeaveEndsNoLaterMembership },
];
