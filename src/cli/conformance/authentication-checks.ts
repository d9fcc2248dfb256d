import { type Check, expectEqual, expectProblem, expectReply, type Reply } from "./expectations.ts";
import type { TestedServer } from "./tested-server.ts";

function expectTokenRequired(reply: Reply) {
  const { request, headers } = expectProblem(reply, 401, "DOM_AUTHENTICATION_REQUIRED", 503);
  const scheme = headers.get("www-authenticate")?.split(" ", 1)[0];
  expectEqual(`the scheme of WWW-Authenticate of ${request}`, scheme, "Bearer");
}

async function tokenIsRequiredToJoin(server: TestedServer) {
  const domain = await server.domainWith({ authenticationRequired: true });
  for (const headers of [{}, { authorization: "Bearer no.valid.token" }]) {
    expectTokenRequired(await domain.register(crypto.randomUUID(), {}, headers));
  }
  expectReply(await domain.ask(), 200, { authenticationRequired: true, keyVersion: 0 });
}

async function tokenIsRequiredToLeave(server: TestedServer) {
  const domain = await server.domainWith({});
  const { machineGuid } = await domain.join();
  expectReply(await domain.configure({ authenticationRequired: true }), 200);
  for (const preview of [true, false]) expectTokenRequired(await domain.deregister(machineGuid, { preview }));
  expectReply(await domain.configure({}), 200);
  expectReply(await domain.register(machineGuid), 200, { newMember: false });
}

async function tokenLetsIn(server: TestedServer) {
  const domain = await server.domainWith({ authenticationRequired: true });
  const machineGuid = crypto.randomUUID();
  const bearer = { authorization: `Bearer ${server.authToken}` };
  expectReply(await domain.register(machineGuid, {}, bearer), 201, { newMember: true });
  expectReply(await domain.deregister(machineGuid, {}, bearer), 200, { deregistered: true });
}

async function namespaceMustMatch(server: TestedServer) {
  const domain = await server.domainWith({ authenticationRequired: true, authNamespace: "conformance-nobody" });
  const bearer = { authorization: `Bearer ${server.authToken}` };
  expectTokenRequired(await domain.register(crypto.randomUUID(), {}, bearer));
  expectTokenRequired(await domain.deregister(crypto.randomUUID(), {}, bearer));
}

const ADMIN = { needs: ["admin token"] } as const;
const BOTH = { needs: ["admin token", "auth token"] } as const;

/** Domains that require an auth token. */
export const AUTHENTICATION: readonly Check[] = [
  { section: "Registration, step 4", rule: "no valid token, no membership", prove: tokenIsRequiredToJoin, ...ADMIN },
  { section: "Registration, step 3", rule: "a valid token lets in, and out", prove: tokenLetsIn, ...BOTH },
  { section: "Registration, step 3", rule: "the auth namespace must match", prove: namespaceMustMatch, ...BOTH },
  {
    section: "De-registration, step 3",
    rule: "leaving takes a token as joining does",
    prove: tokenIsRequiredToLeave,
    ...ADMIN,
  },
];
