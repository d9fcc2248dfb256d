import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { configuredNames, unknownNames } from "../../scripts/variable-names.ts";

describe("the names of variables", () => {
  it("of wrangler.toml are all read by the server", () => {
    const names = configuredNames(readFileSync("wrangler.toml", "utf8"));
    expect(names).toContain("DOMAIN_CREATION");
    expect(unknownNames(names)).toEqual([]);
  });

  it.each([
    ["DOMAIN_CREATON", "Nothing reads the variable DOMAIN_CREATON: did you mean DOMAIN_CREATION?"],
    ["Trusted_Issuers", "Nothing reads the variable Trusted_Issuers."],
    ["COLOUR", "Nothing reads the variable COLOUR."],
    ["ANSWER_AFTR", "Nothing reads the variable ANSWER_AFTR: did you mean ANSWER_AFTER?"],
  ])("%s is a slip", (name, sentence) => {
    expect(unknownNames([name, "ADMIN_TOKEN"])).toEqual([sentence]);
  });

  it("are those under [vars] alone", () => {
    const config = 'name = "x"\n[vars]\n# A = "1"\nONE = "1"\nTWO = "2"\n\n[[ratelimits]]\nname = "LIMIT"\n';
    expect(configuredNames(config)).toEqual(["ONE", "TWO"]);
    expect(configuredNames('[vars]\nONE = "1"\n')).toEqual(["ONE"]);
    expect(configuredNames('name = "x"\n')).toEqual([]);
  });
});
