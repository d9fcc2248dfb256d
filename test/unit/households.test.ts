import { expect, it } from "vitest";
import { Household } from "../support/node/household.ts";

const HOUSEHOLDS = 500;
const DAYS = 365;

it(`${HOUSEHOLDS} households live for a year of days with whenFull replace-least-recent`, { timeout: 240_000 }, () => {
  const total = { renewed: 0, joined: 0, replaced: 0, refused: 0, removed: 0, strangers: 0 };
  for (let number = 1; number <= HOUSEHOLDS; number++) {
    const { problems, counts } = new Household(`household ${number}`).live(DAYS);
    // The limit is never exceeded. Nobody leaves who renewed within minIdleDays. A newcomer is refused only if too few are
    // idle. The owner can always remove a member.
    expect(problems, `household ${number}`).toEqual([]);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name];
  }
  // Each of these has happened often enough to say something.
  for (const [name, count] of Object.entries(total)) expect(count, name).toBeGreaterThan(2 * HOUSEHOLDS);
});
