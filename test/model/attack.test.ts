import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { attack } from "../../bench/year/attack.ts";
import { join, newcomerSizes, oversized } from "../../bench/year/newcomers.ts";
import { Connection } from "../support/node/connection.ts";
import { ModelServer } from "./server.ts";

const DOMAIN = "attacked";

/** First one device makes more key versions than a response may hold; then many come at once. */
const ATTACKS = [
  { devices: 1, cycles: 150 },
  { devices: 30, cycles: 300 },
];

describe("a domain that an attacker joins and leaves without end", () => {
  let server: ModelServer;
  let connection: Connection;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").real);
    connection = new Connection(server.origin);
    await join(connection, DOMAIN, "newest");
  });

  afterAll(async () => {
    connection.close();
    await server.stop();
  });

  it.each(ATTACKS)(
    "with $devices devices at once, $cycles times over, still has every licence encrypted and small responses for newcomers",
    async ({ devices, cycles }) => {
      const place = { origin: server.origin, issuer: server.origin, domain: DOMAIN };
      const outcome = await attack(place, { devices, goesOn: (requests) => requests < 2 * cycles });
      expect(outcome.failures).toEqual([]);
      expect(outcome.licences.issued).toBeGreaterThan(0);
      expect(outcome.requests).toBeGreaterThanOrEqual(2 * cycles);
      if (devices === 1) expect(outcome.keyVersions).toBeGreaterThanOrEqual(cycles - 1);
      expect(oversized(await newcomerSizes(connection, DOMAIN), "after the attack")).toEqual([]);
    },
  );

  it("logs neither secrets nor failures", () => {
    expect([server.log.secrets, server.log.failures]).toEqual([[], []]);
  });
});
