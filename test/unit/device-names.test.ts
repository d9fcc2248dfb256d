import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEVICE_NAME } from "../../src/domain/device-names.ts";

/** A character by its code point, so that this file hides none. */
const character = (code: number) => String.fromCodePoint(code);
/** A name with a character in its middle. */
const around = (code: number) => `a${character(code)}b`;

describe("a device name", () => {
  it.each([
    ["a word", "TV"],
    ["one character", "x"],
    ["several words", "Zoë’s tablet (kitchen)"],
    ["another script", "台所のテレビ"],
    ["a script that joins by a format character", `می${character(0x200c)}خواهم`],
    ["an emoji of several joined ones", `👩${character(0x200d)}💻 laptop`],
    ["a flag", "🏴󠁧󠁢󠁷󠁬󠁳󠁿"],
    ["markup, which is text here", "<b>&amp;</b> ' or 1=1 --"],
    ["64 characters", "x".repeat(64)],
    ["64 characters of two code units each", "💥".repeat(64)],
  ])("may be %s", (_, name) => {
    expect(DEVICE_NAME.test(name)).toBe(true);
  });

  it.each([
    ["empty", ""],
    ["longer than 64 characters", "x".repeat(65)],
    ["longer, of two code units each", "💥".repeat(65)],
    ["white space alone", "   "],
    ["white space of Unicode alone", [0xa0, 0x2003, 0x3000].map(character).join("")],
    ["invisible characters alone", [0x200b, 0x200d, 0x2060, 0xfe0f, 0x3164, 0xe0061].map(character).join("")],
  ])("is not %s", (_, name) => {
    expect(DEVICE_NAME.test(name)).toBe(false);
  });

  it.each([
    ["no", 0x0],
    ["an escape", 0x1b],
    ["a new line", 0xa],
    ["a carriage return", 0xd],
    ["a tab", 0x9],
    ["a delete", 0x7f],
    ["a control sequence introducer", 0x9b],
    ["a next line", 0x85],
    ["a line separator", 0x2028],
    ["a paragraph separator", 0x2029],
    ["a left-to-right mark", 0x200e],
    ["a right-to-left mark", 0x200f],
    ["an Arabic letter mark", 0x61c],
    ["an embedding", 0x202a],
    ["an override", 0x202e],
    ["an isolate", 0x2066],
    ["the end of an isolate", 0x2069],
    ["half of a surrogate pair", 0xd83d],
    ["the other half", 0xdca5],
  ])("holds not %s", (_, code) => {
    for (const name of [around(code), `${character(code)}ab`, `ab${character(code)}`]) {
      expect(DEVICE_NAME.test(name)).toBe(false);
    }
  });

  it("is a text that UTF-8 gives back, in one line, of at most 64 characters, and never of none that shows", () => {
    const unit = fc.oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), fc.constantFrom(...away));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 70 }), (name) => {
        if (!DEVICE_NAME.test(name)) return;
        expect(new TextDecoder().decode(new TextEncoder().encode(name))).toBe(name);
        expect([...name].length).toBeLessThanOrEqual(64);
        expect(name.split(/[\n\r\u2028\u2029]/)).toHaveLength(1);
        expect(name.trim()).not.toBe("");
      }),
      { numRuns: 2_000 },
    );
  });
});

/** Characters that names are seldom made of. */
const away = [0x20, 0x1b, 0x202e, 0xd83d, 0x2028, 0x61, 0x1f4a5].map(character);
