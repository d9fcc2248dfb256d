import { describe, expect, it } from "vitest";
import { readScript, ScriptError, stepFor } from "../../scripts/mock/script.ts";

describe("a script of the mock server", () => {
  it("is empty in a plain name", () => {
    expect(readScript("living-room")).toEqual({ steps: [], clock: 0, settings: {} });
  });

  it("says what happens to which requests", () => {
    const script = readScript("den~lost:deregister:2~503:register:1-3~replayed:keys:2-end~cut:history");
    const effects = (operation: "register" | "deregister" | "keys" | "history") =>
      [1, 2, 3, 4].map((count) => stepFor(script, operation, count)?.effect ?? null);
    expect(effects("deregister")).toEqual([null, "lost", null, null]);
    expect(effects("register")).toEqual(["503", "503", "503", null]);
    expect(effects("keys")).toEqual([null, "replayed", "replayed", "replayed"]);
    expect(effects("history")).toEqual(["cut", null, null, null]);
  });

  it("sets the clock, a limit, and that requests are signed", () => {
    expect(readScript("den~clock:-400~limit:2~device-key")).toMatchObject({
      clock: -400,
      settings: { maxMembership: 2, deviceKeyRequired: true },
    });
  });

  it.each([
    "den~",
    "den~forgotten:register",
    "den~lost",
    "den~lost:elsewhere",
    "den~lost:register:0",
    "den~lost:register:two",
    "den~lost:register:2-",
    "den~lost:register:1:2",
    "den~limit",
    "den~limit:-1",
    "den~clock:soon",
    "den~toString:register",
  ])("%s is refused, by the word that is wrong", (name) => {
    const word = name.slice("den~".length);
    expect(() => readScript(name)).toThrow(ScriptError);
    expect(() => readScript(name)).toThrow(`"${word}"`);
  });
});
