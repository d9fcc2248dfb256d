import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { BROKEN, BROKEN_COPIES, BROKEN_OWNERS, BROKEN_QUOTAS, type ServerName } from "./builds.ts";
import { HISTORY_KINDS, type HistoryKind, tryHistories } from "./histories.ts";
import { ModelServer } from "./server.ts";

/** Both halves of a machine's two processors are kept busy by a server of its own. */
const SERVERS = 2;
const HISTORIES = 1_400;
const HISTORIES_WITH_LOSSES = 400;
const HISTORIES_OF_SUBJECTS = 200;
const HISTORIES_OF_OWNERS = 200;
const HISTORIES_OF_OLD = 64;
/** Far more than any of the broken servers needs. */
const HISTORIES_OF_BROKEN = 320;
/** Problems of a copy show when all histories are over. */
const HISTORIES_OF_BROKEN_COPY = 64;
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

describe("a server that is broken on purpose", () => {
  it.each(Object.entries({ ...BROKEN, ...BROKEN_COPIES }).map(([name, what]) => [what, name as ServerName] as const))(
    "is caught: one %s",
    async (_, name) => {
      const histories = name in BROKEN_COPIES ? HISTORIES_OF_BROKEN_COPY : HISTORIES_OF_BROKEN;
      expect((await outcomeOf(name, histories)).broke).not.toEqual([]);
    },
  );

  it.each([
    ...Object.entries(BROKEN_QUOTAS).map(
      ([name, what]) => [what, name as ServerName, HISTORY_KINDS.ofSubjects] as const,
    ),
    ...Object.entries(BROKEN_OWNERS).map(([name, what]) => [what, name as ServerName, HISTORY_KINDS.ofOwners] as const),
  ])("is caught: one %s", async (_, name, kind) => {
    expect((await outcomeOf(name, HISTORIES_OF_BROKEN, kind)).broke).not.toEqual([]);
  });

  it("is not one whose parts of the copy come late and several times", async () => {
    expect((await outcomeOf("lateParts", HISTORIES_OF_BROKEN_COPY)).broke).toEqual([]);
  });
});

async function outcomeOf(name: ServerName, histories: number, kind: HistoryKind = HISTORY_KINDS.plain) {
  const server = await ModelServer.start(inject("code")[name]);
  try {
    return await tryHistories(server, histories, SEED, kind);
  } finally {
    await server.stop();
  }
}
