import { expect, it } from "vitest";
import { type Cell, factLines, tableLines } from "../../../src/cli/table.ts";

async function lines(headings: string[], rows: readonly (readonly Cell[])[]): Promise<string[]> {
  const found: string[] = [];
  const come = async function* () {
    yield* rows;
  };
  for await (const line of tableLines(headings, come())) found.push(line);
  return found;
}

it("aligns rows below their headings, with nothing after the last column", async () => {
  const rows = [
    ["den", 3, null],
    ["living-room", 12, true],
    ["", 0, false],
  ];
  expect(await lines(["DOMAIN", "MEMBERS", "DUE"], rows)).toEqual([
    "DOMAIN       MEMBERS  DUE",
    "den          3        -",
    "living-room  12       yes",
    "-            0        no",
  ]);
});

it("has headings where there is no row", async () => {
  expect(await lines(["DOMAIN", "KEY"], [])).toEqual(["DOMAIN  KEY"]);
});

it("aligns a long list part by part: what comes later is never narrower", async () => {
  const rows = [["a wide one", 1], ...Array.from({ length: 300 }, (_, index) => ["b", index])];
  const found = await lines(["A", "B"], rows);
  expect(found).toHaveLength(302);
  expect(found.at(-1)).toBe("b           299");
  expect(new Set(found.slice(1).map((line) => line.search(/\d/)))).toEqual(new Set([12]));
});

it("prints the first rows of a list before it knows the last", async () => {
  const never = async function* (): AsyncGenerator<readonly Cell[]> {
    for (let row = 0; row < 200; row++) yield [row];
    throw new Error("the connection was lost");
  };
  const found: string[] = [];
  const reading = async () => {
    for await (const line of tableLines(["ROW"], never())) found.push(line);
  };
  await expect(reading()).rejects.toThrow("the connection was lost");
  expect(found.length).toBeGreaterThan(190);
});

it("shows what a terminal would obey, and aligns by what is shown", async () => {
  expect(
    await lines(
      ["REASON", "BY"],
      [
        ["\u001b[2J\n", "x"],
        ["sold", "y"],
      ],
    ),
  ).toEqual(["REASON           BY", "\\u001b[2J\\u000a  x", "sold             y"]);
  expect(factLines({ name: "\u009b1m", "b\u0007": 1 })).toEqual(["name     \\u009b1m", "b\\u0007  1"]);
});

it("says the facts of one thing line by line", () => {
  expect(factLines({ domain: "den", maxMembership: null, copy: { domains: 1 }, due: true })).toEqual([
    "domain         den",
    "maxMembership  -",
    'copy           {"domains":1}',
    "due            yes",
  ]);
});
