import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, it } from "vitest";

// One noun is one thing. A file may share its name with another only if both are of the same noun: its rule, its route, its
// table, its half at the client.

const files = execFileSync("git", ["ls-files", "src", "scripts", "bench"], { encoding: "utf8" })
  .split("\n")
  // The reference logic written literally is a server of its own, in small.
  .filter((file) => /\.tsx?$/.test(file) && !file.startsWith("bench/literal/"));

/** Nouns that more than one layer knows. */
const SHARED_NOUNS = [
  ...["app.tsx", "index.ts", "main.ts", "main.tsx"],
  ...["audit.ts", "copy.ts", "deletions.ts", "device-names.ts", "device-requests.ts", "devices.ts", "domain-tokens.ts"],
  ...["failures.ts", "health.ts", "key-encryption.ts", "key-history.ts", "key-statement.ts", "keys.ts", "log.ts"],
  ...["metrics.ts", "owned-devices.ts", "owner-sign-in.ts", "schema.ts"],
];

/** Types that two parts declare alike: an operator's and a device's call, and what a page gets of the server. */
const SHARED_TYPES = ["CallOptions", "Failure", "OwnedDevice", "SignInIssuer", "StoredKey"];

it("no two files have one name, unless they are of one noun", () => {
  const repeated = repetitions(files.map((file) => basename(file)));
  expect(repeated.filter((name) => !SHARED_NOUNS.includes(name))).toEqual([]);
});

it("no two exported types have one name, unless they are one type", () => {
  const types = files
    // The generated one has the shapes on the wire, by the names of their schemas.
    .filter((file) => file.startsWith("src/") && file !== "src/operator/responses.ts")
    .flatMap((file) => [
      ...readFileSync(file, "utf8").matchAll(/^export (?:abstract )?(?:class|interface|type) (\w+)/gm),
    ])
    .map(([, name = ""]) => name);
  expect(types.length).toBeGreaterThan(200);
  expect(repetitions(types).filter((name) => !SHARED_TYPES.includes(name))).toEqual([]);
});

function repetitions(names: readonly string[]): readonly string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
