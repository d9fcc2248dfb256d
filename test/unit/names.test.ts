import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { domainNameProblem } from "../../src/domain/names.ts";

describe("a domain name", () => {
  it.each(["a", "7", "living-room", "com.example:fleet_7@eu~1", "A".repeat(128), "a.b", "x--y"])(
    "may be %s",
    (name) => {
      expect(domainNameProblem(name)).toBeNull();
    },
  );

  it.each([
    ["", "must not be empty"],
    ["a".repeat(129), "must have at most 128 characters"],
    ["a/b", "may hold only"],
    ["a b", "may hold only"],
    ["a%2Fb", "may hold only"],
    ["a\u0000b", "may hold only"],
    ["a\n", "may hold only"],
    ["küche", "may hold only"],
    ["-a", "must begin and end"],
    ["a.", "must begin and end"],
    ["..", "must begin and end"],
    ["a..b", "two dots"],
  ])("may not be %j", (name, problem) => {
    expect(domainNameProblem(name)).toContain(problem);
  });

  it("is one of the grammar's, whatever its length from 1 to 128", () => {
    const end = fc.constantFrom(..."ABCXYZabcxyz0189");
    const middle = fc.constantFrom(..."AZaz09_:@~-");
    const name = fc.tuple(end, fc.string({ unit: middle, maxLength: 126 }), end).map((parts) => parts.join(""));
    fc.assert(fc.property(name, (each) => domainNameProblem(each) === null));
  });
});
