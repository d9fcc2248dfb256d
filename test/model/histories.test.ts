import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { HISTORY_KINDS, tryHistories } from "./histories.ts";
import { ModelServer } from "./server.ts";

/** Both halves of a machine's two processors are kept busy by a server of its own. */
const SERVERS = 2;
const HISTORIES = 200;
const HISTORIES_WITH_LOSSES = 80;
const HISTORIES_OF_SUBJECTS = 48;
const HISTORIES_OF_OWNERS = 48;
const HISTORIES_OF_OLD = 16;
/** Messages of the runtime about objects that are lost on purpose. */
const LOSS = /^exception = .*lost on purpose|^NOSENTRY SQLite alarm/;
const SEED = Number(process.env.SEED ?? 1);

describe.each([
  ["", HISTORIES, HISTORY_KINDS.plain],
  [", its objects lost now and then", HISTORIES_WITH_LOSSES, HISTORY_KINDS.withLosses],
  [" with a quota for each token subject", HISTORIES_OF_SUBJECTS, HISTORY_KINDS.ofSubjects],
  [" that belong to a subject", HISTORIES_OF_OWNERS, HISTORY_KINDS.ofOwners],
  [" with about as many keys as a response lists", HISTORIES_OF_OLD, HISTORY_KINDS.old],
] as const)("the server, asked at random by 8 clients for each of many domains%s", (_, histories, kind) => {
  let servers: readonly ModelServer[];

  beforeAll(async () => {
    servers = await Promise.all(Array.from({ length: SERVERS }, () => ModelServer.start(inject("code").real)));
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  it(`answers ${histories} times in an order that the model explains, keeps every invariant, and is copied`, async () => {
    const outcomes = await Promise.all(
      servers.map((server, index) => tryHistories(server, histories / SERVERS, SEED + 1_000 * index, kind)),
    );
    expect(outcomes.flatMap(({ broke }) => broke)).toEqual([]);
    expect(outcomes.reduce((sum, { tried }) => sum + tried, 0)).toBe(histories);
  });

  it("logs neither secrets nor failures", () => {
    for (const { log } of servers) {
      expect(log.lines).toBeGreaterThan(0);
      expect([log.secrets, log.failures.filter((line) => !LOSS.test(line))]).toEqual([[], []]);
    }
  });
});
