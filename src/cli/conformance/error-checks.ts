import { type Check, expectProblem, expectThat } from "./expectations.ts";
import { den } from "./registration-checks.ts";
import type { TestedServer } from "./tested-server.ts";

async function unknownPathIsNotFound(server: TestedServer) {
  expectProblem(await server.ask("/no/such/path"), 404, "NOT_FOUND");
}

async function wrongMethodIsRefused(server: TestedServer) {
  const reply = await (await den(server)).ask("/register");
  expectProblem(reply, 405, "INVALID_REQUEST");
  expectThat((reply.headers.get("allow") ?? "").includes("POST"), "a 405 does not name the method that is allowed");
}

async function wrongTypeIsRefused(server: TestedServer) {
  const body = JSON.stringify({ machineGuid: crypto.randomUUID() });
  const request = { method: "POST", body, headers: { "content-type": "text/plain" } };
  expectProblem(await (await den(server)).ask("/register", request), 415, "INVALID_REQUEST");
}

async function largeBodyIsRefused(server: TestedServer) {
  const body = { machineGuid: crypto.randomUUID(), filling: "x".repeat(65_536) };
  expectProblem(await (await den(server)).ask("/register", { method: "POST", body }), 413, "INVALID_REQUEST");
}

async function malformedJsonIsRefused(server: TestedServer) {
  const domain = await den(server);
  const headers = { "content-type": "application/json" };
  for (const body of ["{", "[]", "null", '"text"']) {
    expectProblem(await domain.ask("/register", { method: "POST", body, headers }), 400, "INVALID_REQUEST");
  }
}

async function unknownMembersAreRefused(server: TestedServer) {
  const reply = await (await den(server)).register(crypto.randomUUID(), { machineGuids: [] });
  expectProblem(reply, 400, "INVALID_REQUEST");
}

const section = "Errors";

/** Requests that are wrong whatever a domain's state is. */
export const ERRORS: readonly Check[] = [
  { section, rule: "an unknown path is not found", prove: unknownPathIsNotFound },
  { section, rule: "a wrong method is 405", prove: wrongMethodIsRefused },
  { section, rule: "a wrong media type is 415", prove: wrongTypeIsRefused },
  { section, rule: "a body above 64 KB is 413", prove: largeBodyIsRefused },
  { section, rule: "a body that is not a JSON object is refused", prove: malformedJsonIsRefused },
  { section, rule: "unknown fields are refused", prove: unknownMembersAreRefused },
];
