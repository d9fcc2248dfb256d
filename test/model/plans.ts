import fc from "fast-check";
import type { Ask, Change, Repeat, SettingsSent, TokenKind } from "./requests.ts";

/** How many devices, idempotency keys, and ids of requests that are sent again, a domain sees. */
export const DEVICES = 5;
export const KEYS = 3;
const REQUESTS = 2;
/** How much each client asks: 28 requests in all, and with the two looks at the end, 30. */
const ASKS = [4, 4, 4, 4, 3, 3, 3, 3];
/** How many clients ask at once. */
export const CLIENTS = ASKS.length;

/** What each client asks, one thing after the other. */
export type Plan = readonly (readonly Ask[])[];

const device = fc.nat(DEVICES - 1);
const token = fc.constantFrom<TokenKind>("none", "none", "none", "none", "studio", "arcade", "forged");
const maxMembership = fc.option(fc.integer({ min: 0, max: DEVICES - 1 }));
const authenticated = fc.constantFrom<SettingsSent>(
  { authenticationRequired: true },
  { authenticationRequired: true, authNamespace: "studio" },
  { authNamespace: "arcade" },
  { authenticationRequired: false },
  { authenticationRequired: false, authNamespace: null },
);
const deviceKeyRequired = fc.boolean().map((required) => ({ deviceKeyRequired: required }));
const back = fc.constantFrom<SettingsSent>(
  { authenticationRequired: null, authNamespace: null },
  { deviceKeyRequired: null, maxMembership: null },
);
const settings = (more: readonly fc.Arbitrary<SettingsSent>[]): fc.Arbitrary<SettingsSent> =>
  fc.oneof(
    { weight: 6, arbitrary: maxMembership.map((maximum) => ({ maxMembership: maximum })) },
    ...[authenticated, deviceKeyRequired, ...more].map((arbitrary) => ({ weight: 1, arbitrary })),
  );

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      ask: fc.constant("register" as const),
      device,
      afterKeyVersion: fc.option(fc.nat(4)),
      token,
    }),
  },
  {
    weight: 22,
    arbitrary: fc.record({
      ask: fc.constant("deregister" as const),
      device,
      preview: fc.constantFrom(false, false, true),
      key: fc.option(fc.nat(KEYS - 1)),
      token,
    }),
  },
  { weight: 5, arbitrary: settings([]).map((sent): Change => ({ ask: "replace-settings", settings: sent })) },
  { weight: 6, arbitrary: settings([back]).map((sent): Change => ({ ask: "merge-settings", settings: sent })) },
  {
    weight: 6,
    arbitrary: fc.record({
      ask: fc.constant("rollover" as const),
      when: fc.constantFrom("now" as const, "next-registration" as const),
    }),
  },
  { weight: 3, arbitrary: fc.nat(3).map((upTo): Change => ({ ask: "retire", upTo })) },
  { weight: 5, arbitrary: device.map((number): Change => ({ ask: "evict", device: number })) },
  {
    weight: 4,
    arbitrary: fc.record({ ask: fc.constant("ban" as const), device, reason: fc.constantFrom("lost", "sold") }),
  },
  { weight: 5, arbitrary: device.map((number): Change => ({ ask: "unban", device: number })) },
);

/** The repeat of a request, which one is told later. */
type Again = Omit<Repeat, "of">;

const asksOf = (more: readonly fc.WeightedArbitrary<Ask>[]): fc.Arbitrary<Ask | Again> =>
  fc.oneof(
    { weight: 86, arbitrary: change },
    { weight: 12, arbitrary: fc.nat(REQUESTS - 1).map((request): Again => ({ ask: "repeat", request })) },
    { weight: 24, arbitrary: fc.constantFrom<Ask>({ ask: "overview" }, { ask: "members" }, { ask: "keys" }) },
    ...more,
  );

const plansOf = (asks: fc.Arbitrary<Ask | Again>): fc.Arbitrary<Plan> =>
  fc
    .tuple(
      fc.tuple(...ASKS.map((length) => fc.array(asks, { minLength: length, maxLength: length }))),
      fc.array(change, { minLength: REQUESTS, maxLength: REQUESTS }),
    )
    .map(([clients, repeated]) =>
      clients.map((all) =>
        all.map((each): Ask => {
          // Under one id always the same request.
          return "request" in each ? { ...each, of: repeated[each.request] as Change } : (each as Ask);
        }),
      ),
    );

/** Plans of 28 requests, each repeat among them sent twice. */
export const plans = plansOf(asksOf([]));

/** The same, with the domain's object lost now and then. */
export const plansWithLosses = plansOf(
  asksOf([
    { weight: 8, arbitrary: fc.constantFrom<Ask>({ ask: "lose", how: "abort" }, { ask: "lose", how: "evict" }) },
  ]),
);
