import { describe, expect, it } from "vitest";
import { refusalDetails } from "../../../src/client/exchange.ts";
import { DomainServerError, type ServerErrorName } from "../../../src/client/index.ts";

describe("the name of a server's refusal", () => {
  const nameOf = (error: unknown) =>
    new DomainServerError(refusalDetails(new Response(null, { status: 418 }), { error })).error;

  it("is one of those that a switch can name in full", () => {
    expect(nameOf("DEREG_DENIED")).toBe("DEREG_DENIED");
    // Of a newer server, or of something in between.
    for (const other of ["BREWING_TEA", "", 418, undefined]) expect(nameOf(other)).toBe("UNEXPECTED_ANSWER");
    const kind = (name: ServerErrorName): "final" | "later" => {
      switch (name) {
        case "RATE_LIMITED":
        case "OVERLOADED":
        case "TEMPORARILY_UNAVAILABLE":
          return "later";
        default:
          return "final";
      }
    };
    expect(kind(nameOf("OVERLOADED"))).toBe("later");
  });
});
