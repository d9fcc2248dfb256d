import { describe, expect, it } from "vitest";
import { DEVICE_NAME_SIGN, LogScan, secretIn } from "./log-scan.ts";

const ADMIN_TOKEN = "an-admin-token-for-tests";
const GUID = "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77";
const KEY = "tVScqpriQoQ2Y0Vn1kqgk3bB6sQ9pXk2m7a0L4dZcDE";

const line = (fields: object) => JSON.stringify({ level: "info", message: "refused", ...fields });

describe("a search for secrets in a log", () => {
  it.each([
    ["the admin token", line({ reason: `no ${ADMIN_TOKEN}` })],
    ["a member of a private JWK", line({ reason: JSON.stringify({ kty: "EC", d: KEY }) })],
    ["a member of a private JWK", line({ key: { kty: "oct", k: KEY } })],
    ["a compact JWS or JWE", line({ reason: "the token eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl" })],
    ["a compact JWS or JWE", line({ reason: "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn" })],
    ["the name of a device", line({ reason: `no device ${DEVICE_NAME_SIGN} TV` })],
    ["a whole GUID", line({ machineGuid: GUID })],
    ["a whole GUID", line({ reason: GUID.toUpperCase() })],
  ])("finds %s", (what, text) => {
    expect(secretIn(text, ADMIN_TOKEN)).toBe(what);
  });

  it.each([
    ["the id of a request", line({ requestId: GUID })],
    ["the beginning of a GUID", line({ machineGuid: `${GUID.slice(0, 8)}…` })],
    ["a reason", line({ reason: "no such membership", error: "DEREG_DENIED" })],
  ])("lets %s pass", (_, text) => {
    expect(secretIn(text, ADMIN_TOKEN)).toBeNull();
  });

  it("takes errors, and what the server did not write itself, for failures", () => {
    const scan = new LogScan(ADMIN_TOKEN);
    scan.take("info", line({}));
    scan.take("error", line({}));
    scan.take("warn", "Uncaught (in promise) TypeError: x is not a function");
    expect([scan.lines, scan.failures.length, scan.secrets.length]).toEqual([3, 2, 0]);
  });
});
