import { describe, expect, inject, it } from "vitest";
import { BROKEN, BROKEN_COPIES, BROKEN_OWNERS, BROKEN_QUOTAS, type ServerName } from "./builds.ts";
import { HISTORY_KINDS, type HistoryKind, tryHistories } from "./histories.ts";
import { ModelServer } from "./server.ts";

/** Far more than any of the broken servers needs. */
const HISTORIES_OF_BROKEN = 320;
/** Problems of a copy show when all histories are over, and time has passed. */
const HISTORIES_OF_BROKEN_COPY = 32;
const PATIENCE_WITH_BROKEN_COPY = 10_000;
const SEED = Number(process.env.SEED ?? 1);

describe("a server that is broken on purpose", () => {
  it.each(Object.entries({ ...BROKEN, ...BROKEN_COPIES }).map(([name, what]) => [what, name as ServerName] as const))(
    "is caught: one %s",
    async (_, name) => {
      const outcome =
        name in BROKEN_COPIES
          ? outcomeOf(name, HISTORIES_OF_BROKEN_COPY, HISTORY_KINDS.plain, PATIENCE_WITH_BROKEN_COPY)
          : outcomeOf(name, HISTORIES_OF_BROKEN);
      expect((await outcome).broke).not.toEqual([]);
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

async function outcomeOf(
  name: ServerName,
  histories: number,
  kind: HistoryKind = HISTORY_KINDS.plain,
  patience?: number,
) {
  const server = await ModelServer.start(inject("code")[name]);
  try {
    return await tryHistories(server, histories, SEED, kind, patience);
  } finally {
    await server.stop();
  }
}
