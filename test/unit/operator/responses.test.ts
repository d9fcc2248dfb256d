import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { operatorTypes } from "../../../scripts/operator-types.ts";

it("types the operators' responses as the API's description has them: else run `npm run types`", () => {
  expect(readFileSync("src/operator/responses.ts", "utf8")).toBe(operatorTypes());
});

it("names every change of the log, and all that operators send", () => {
  const types = operatorTypes();
  expect(types).toContain("export type LogChange = DomainCreatedChange | DeviceJoinedChange");
  expect(types).toMatch(/export type DeviceLeftChange = Readonly<\{\n {2}type: "device-left";\n/);
  expect(types.slice(types.indexOf("export type SettingsPatch"))).toContain("\n  authNamespace?: string | null;\n");
  // What devices get is none of the operators' business.
  expect(types).not.toContain("PrivateDomainKey");
  expect(types).not.toContain("unknown");
});
