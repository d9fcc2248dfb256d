import { type Check, expectEqual, expectProblem, expectReply, expectThat } from "./expectations.ts";
import { den } from "./registration-checks.ts";
import { newSigningDevice, signed } from "./signing-device.ts";
import type { TestedServer } from "./tested-server.ts";

async function algorithmsAreTaken(server: TestedServer) {
  const domain = await den(server);
  for (const alg of ["ES256", "Ed25519", "EdDSA"]) {
    const device = await newSigningDevice(alg);
    const { machineGuid } = device;
    expectReply(await domain.sign(device, "register"), 201, { machineGuid, newMember: true });
    expectReply(await domain.sign(device, "register"), 200, { machineGuid, newMember: false });
  }
}

async function keyIsBound(server: TestedServer) {
  const domain = server.domain();
  const device = await newSigningDevice();
  const impostor = await newSigningDevice("ES256", device.machineGuid);
  expectReply(await domain.sign(device, "register"), 201);
  for (const action of ["register", "deregister"] as const) {
    expectProblem(await domain.sign(impostor, action), 403, "DEVICE_PROOF_INVALID");
  }
  expectProblem(await domain.register(device.machineGuid), 403, "DEVICE_PROOF_INVALID");
  expectProblem(await domain.deregister(device.machineGuid), 403, "DEVICE_PROOF_INVALID");
  expectReply(await domain.sign(device, "deregister"), 200, { deregistered: true });
}

async function requestIsForOneAddress(server: TestedServer) {
  const domain = await den(server);
  const device = await newSigningDevice();
  for (const aud of [domain.urlOf("deregister"), `https://elsewhere.example${domain.path("/register")}`]) {
    expectProblem(await domain.sign(device, "register", { aud }), 403, "DEVICE_PROOF_INVALID");
  }
}

async function signatureMustHold(server: TestedServer) {
  const domain = await den(server);
  const [device, other] = [await newSigningDevice(), await newSigningDevice()];
  const jws = await signed(device, domain.urlOf("register"));
  const [header, payload] = jws.split(".");
  const [, , foreign] = (await signed(other, domain.urlOf("register"))).split(".");
  expectProblem(await domain.post("register", `${header}.${payload}.${foreign}`), 403, "DEVICE_PROOF_INVALID");
  const none = Buffer.from(JSON.stringify({ alg: "none", typ: "device-request+jwt", jwk: device.publicKey }));
  const unsigned = `${none.toString("base64url")}.${payload}.`;
  expectProblem(await domain.post("register", unsigned), 403, "DEVICE_PROOF_INVALID");
  expectProblem(await domain.sign(device, "register", {}, { typ: "JWT" }), 403, "DEVICE_PROOF_INVALID");
  expectReply(await domain.post("register", jws), 201);
  expectReply(await domain.sign(device, "register"), 200, { newMember: false });
}

async function clockMayBeOffBy300Seconds(server: TestedServer) {
  const domain = await den(server);
  const now = Date.now() / 1000;
  for (const off of [-270, 270]) {
    expectReply(await domain.sign(await newSigningDevice(), "register", { iat: now + off }), 201);
  }
  for (const off of [-400, 400]) {
    const reply = await domain.sign(await newSigningDevice(), "register", { iat: now + off });
    expectProblem(reply, 403, "DEVICE_PROOF_INVALID");
  }
}

async function serverTellsItsTime(server: TestedServer) {
  const domain = await den(server);
  const jti = crypto.randomUUID();
  const reply = await domain.sign(await newSigningDevice(), "register", { iat: 1_000_000, jti });
  const { serverTime } = expectProblem(reply, 403, "DEVICE_PROOF_INVALID").body;
  const { iat = 0, ...claims } = await server.stated(serverTime, "server-time+jwt");
  expectEqual("jti of serverTime", claims.jti, jti);
  expectThat(Math.abs(iat - Date.now() / 1000) < 300, `iat of serverTime is ${iat}: not the time`);
}

async function capturedLeaveChangesNothing(server: TestedServer) {
  const domain = server.domain();
  const device = await newSigningDevice();
  expectReply(await domain.sign(device, "register"), 201);
  const captured = await signed(device, domain.urlOf("deregister"));
  const { body: first } = expectReply(await domain.post("deregister", captured), 200, { deregistered: true });
  expectReply(await domain.sign(device, "register"), 201, { keyVersion: 2 });
  const { body: again } = expectReply(await domain.post("deregister", captured), 200);
  expectEqual("the response to a captured leave", again, first);
  expectReply(await domain.sign(device, "register"), 200, { newMember: false, keyVersion: 2 });
}

async function headerAgreesWithJti(server: TestedServer) {
  const domain = await den(server);
  const device = await newSigningDevice();
  expectReply(await domain.sign(device, "register"), 201);
  const jws = await signed(device, domain.urlOf("deregister"), { preview: true });
  expectProblem(await domain.post("deregister", jws, { "idempotency-key": "another" }), 400, "INVALID_REQUEST");
}

async function domainMayRequireSignatures(server: TestedServer) {
  const domain = await server.domainWith({ deviceKeyRequired: true });
  expectReply(await domain.ask(), 200, { deviceKeyRequired: true });
  expectProblem(await domain.register(crypto.randomUUID()), 401, "DEVICE_KEY_REQUIRED");
  expectReply(await domain.sign(await newSigningDevice(), "register"), 201);
}

const section = "Signed requests";

/** Requests that devices sign. */
export const SIGNED_REQUESTS: readonly Check[] = [
  { section, rule: "ES256, Ed25519 and EdDSA are taken", prove: algorithmsAreTaken },
  { section, rule: "a membership is bound to its key", prove: keyIsBound },
  { section, rule: "a request is for one address", prove: requestIsForOneAddress },
  { section, rule: "its signature and its type must hold", prove: signatureMustHold },
  { section, rule: "a clock may be off by 300 seconds", prove: clockMayBeOffBy300Seconds },
  { section, rule: "who is refused for the clock learns the time", prove: serverTellsItsTime },
  { section, rule: "a captured leave changes nothing", prove: capturedLeaveChangesNothing },
  { section, rule: "an Idempotency-Key agrees with the jti", prove: headerAgreesWithJti },
  { section, rule: "a domain may require signatures", prove: domainMayRequireSignatures, needs: ["admin token"] },
];
