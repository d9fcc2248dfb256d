import fc from "fast-check";
import type { Ask, Change, Look, Repeat, SettingsSent, TokenKind } from "./requests.ts";

/** How many devices, idempotency keys, and ids of requests that are sent again, a domain sees. */
export const DEVICES = 5;
const KEYS = 3;
const REQUESTS = 2;
/** How much each client asks: 28 requests in all, and with the looks at the end, 32. */
const ASKS = [4, 4, 4, 4, 3, 3, 3, 3];
/** How many clients ask at once. */
export const CLIENTS = ASKS.length;

/** An interval that is over in no history: after it no clock has to be asked. */
const LONG_SECONDS = 31_536_000;
/** How many keys an old domain has to begin with: one less than a response lists at most. */
const OLD_KEYS = 99;

/** The requests of each client, one after the other. */
export type Plan = readonly (readonly Ask[])[];

/** The first requests of a domain that is to have almost as many keys as a response lists. */
export const GROWING_OLD: readonly Ask[] = [
  { ask: "replace-settings", settings: {} },
  ...Array.from({ length: OLD_KEYS }, (): Ask => ({ ask: "rollover", when: "now" })),
];

/** The first requests of a domain that is to have a quota for each token subject. */
export const SETTING_QUOTA: readonly Ask[] = [
  { ask: "replace-settings", settings: { authenticationRequired: true, maxMembershipPerSubject: 1 } },
];

/** The first requests of a domain that is to belong to somebody. */
export const SETTING_OWNER: readonly Ask[] = [
  {
    ask: "replace-settings",
    settings: { authenticationRequired: true, authNamespace: "studio", ownerSubject: "someone" },
  },
];

const device = fc.nat(DEVICES - 1);
const token = fc.constantFrom<TokenKind>("none", "none", "none", "none", "studio", "arcade", "forged");
/** Tokens where domains ask for them: mostly of two subjects. */
const subjectToken = fc.constantFrom<TokenKind>("studio", "studio", "studio-guest", "studio-guest", "arcade", "none");
const maxMembership = fc.option(fc.integer({ min: 0, max: DEVICES - 1 }));
const authenticated = fc.constantFrom<SettingsSent>(
  { authenticationRequired: true },
  { authenticationRequired: true, authNamespace: "studio" },
  { authNamespace: "arcade" },
  { authenticationRequired: false },
  { authenticationRequired: false, authNamespace: null },
);
const deviceKeyRequired = fc.boolean().map((required) => ({ deviceKeyRequired: required }));
const interval = fc.constantFrom<SettingsSent>(
  { rolloverIntervalSeconds: LONG_SECONDS },
  { rolloverIntervalSeconds: LONG_SECONDS },
  { rolloverIntervalSeconds: 0 },
  { rolloverIntervalSeconds: null },
);
const retireAfter = fc.constantFrom<SettingsSent>({ retireAfterDays: 1 }, { retireAfterDays: null });
const back = fc.constantFrom<SettingsSent>(
  { authenticationRequired: null, authNamespace: null },
  { deviceKeyRequired: null, maxMembership: null },
);
const quota = fc.option(fc.integer({ min: 1, max: 2 }), { freq: 4 });
/** Settings of a domain that asks for tokens, with a quota for each of their subjects. */
const subjectSettings: fc.Arbitrary<SettingsSent> = fc.oneof(
  {
    weight: 4,
    arbitrary: quota.map((maximum) => ({ authenticationRequired: true, maxMembershipPerSubject: maximum })),
  },
  { weight: 3, arbitrary: quota.map((maximum) => ({ maxMembershipPerSubject: maximum })) },
  { weight: 1, arbitrary: fc.constantFrom<SettingsSent>({ authenticationRequired: false }, { maxMembership: 3 }) },
);
/** Settings of a domain that belongs to somebody: mostly to one of two subjects. */
const ownerSettings: fc.Arbitrary<SettingsSent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("someone", "someone", "guest").map((ownerSubject) => {
      return { authenticationRequired: true, authNamespace: "studio", ownerSubject };
    }),
  },
  { weight: 3, arbitrary: fc.constantFrom("guest", null).map((ownerSubject) => ({ ownerSubject })) },
  { weight: 3, arbitrary: maxMembership.map((maximum) => ({ maxMembership: maximum })) },
  { weight: 1, arbitrary: fc.constantFrom<SettingsSent>({ authNamespace: "arcade" }, { authNamespace: null }) },
  { weight: 1, arbitrary: fc.constantFrom<SettingsSent>({ authenticationRequired: false }, { ownerSubject: null }) },
);
const settings = (more: readonly fc.Arbitrary<SettingsSent>[]): fc.Arbitrary<SettingsSent> =>
  fc.oneof(
    { weight: 6, arbitrary: maxMembership.map((maximum) => ({ maxMembership: maximum })) },
    { weight: 3, arbitrary: interval },
    ...[authenticated, deviceKeyRequired, retireAfter, ...more].map((arbitrary) => ({ weight: 1, arbitrary })),
  );

/** Versions of a young domain, or of one with so many keys more: those around its newest, and now and then its oldest. */
const versions = (more: number, most: number): fc.Arbitrary<number> =>
  more === 0
    ? fc.nat(most)
    : fc.oneof(
        { weight: 1, arbitrary: fc.nat(most) },
        { weight: 3, arbitrary: fc.nat(most).map((version) => version + more) },
      );

const version = (more: number): fc.Arbitrary<number> => versions(more, 4).map((number) => number + 1);

/** The kind of requests of a domain: how many keys it has more than a young one, by which tokens, and under which rules. */
type Asked = Readonly<{
  more: number;
  tokens: fc.Arbitrary<TokenKind>;
  rules: fc.Arbitrary<SettingsSent> | null;
  /** How often an owner removes a device. */
  removals?: number;
}>;

const YOUNG: Asked = { more: 0, tokens: token, rules: null };

/** A change of a domain. */
const changeOf = ({ more, tokens, rules, removals = 0 }: Asked): fc.Arbitrary<Change> =>
  fc.oneof(
    { weight: removals, arbitrary: fc.record({ ask: fc.constant("remove" as const), device, token: tokens }) },
    {
      weight: 30,
      arbitrary: fc.record({
        ask: fc.constant("register" as const),
        device,
        afterKeyVersion: fc.option(versions(more, 4)),
        newest: fc.constantFrom(false, false, true),
        token: tokens,
      }),
    },
    {
      weight: 22,
      arbitrary: fc.record({
        ask: fc.constant("deregister" as const),
        device,
        preview: fc.constantFrom(false, false, true),
        key: fc.option(fc.nat(KEYS - 1)),
        token: tokens,
      }),
    },
    {
      weight: 5,
      arbitrary: (rules ?? settings([])).map((sent): Change => ({ ask: "replace-settings", settings: sent })),
    },
    {
      weight: 6,
      arbitrary: (rules ?? settings([back])).map((sent): Change => ({ ask: "merge-settings", settings: sent })),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        ask: fc.constant("rollover" as const),
        when: fc.constantFrom("now" as const, "next-registration" as const),
      }),
    },
    { weight: 3, arbitrary: fc.constant<Change>({ ask: "due-rollover" }) },
    { weight: 5, arbitrary: versions(more, 3).map((upTo): Change => ({ ask: "retire", upTo })) },
    { weight: 5, arbitrary: device.map((number): Change => ({ ask: "evict", device: number })) },
    {
      weight: 4,
      arbitrary: fc.record({ ask: fc.constant("ban" as const), device, reason: fc.constantFrom("lost", "sold") }),
    },
    { weight: 5, arbitrary: device.map((number): Change => ({ ask: "unban", device: number })) },
  );

/** A change, or now and then the deletion of the domain. */
const changeOrEnd = (asked: Asked): fc.Arbitrary<Change> =>
  fc.oneof(
    { weight: 30, arbitrary: changeOf(asked) },
    { weight: 1, arbitrary: fc.constant<Change>({ ask: "delete" }) },
  );

/** The repeat of a request, which one is told later. */
type Again = Omit<Repeat, "of">;

/** A look at a domain. @param more how many keys it has more than a young one */
const lookAt = (more: number): fc.Arbitrary<Look> =>
  fc.oneof(
    { weight: 14, arbitrary: fc.constantFrom<Look>({ ask: "overview" }, { ask: "members" }) },
    { weight: 7, arbitrary: fc.option(version(more)).map((before): Look => ({ ask: "keys", before })) },
    { weight: 3, arbitrary: version(more).map((number): Look => ({ ask: "key", version: number })) },
    {
      weight: 12,
      arbitrary: fc.record({
        ask: fc.constant("history" as const),
        keyVersion: version(more),
        before: fc.option(version(more), { freq: 2 }),
      }),
    },
  );

type Changes = fc.Arbitrary<Change>;

const asksOf = (
  more: number,
  changes: Changes,
  others: readonly fc.WeightedArbitrary<Ask>[],
): fc.Arbitrary<Ask | Again> =>
  fc.oneof(
    { weight: 86, arbitrary: changes },
    { weight: 12, arbitrary: fc.nat(REQUESTS - 1).map((request): Again => ({ ask: "repeat", request })) },
    { weight: 36, arbitrary: lookAt(more) },
    ...others,
  );

const plansOf = (
  more: number,
  changes: Changes,
  others: readonly fc.WeightedArbitrary<Ask>[] = [],
): fc.Arbitrary<Plan> => {
  const asks = asksOf(more, changes, others);
  return fc
    .tuple(
      fc.tuple(...ASKS.map((length) => fc.array(asks, { minLength: length, maxLength: length }))),
      fc.array(changes, { minLength: REQUESTS, maxLength: REQUESTS }),
    )
    .map(([clients, repeated]) =>
      clients.map((all) =>
        all.map((each): Ask => {
          // Under one id always the same request.
          return "request" in each ? { ...each, of: repeated[each.request] as Change } : (each as Ask);
        }),
      ),
    );
};

/** Plans of 28 requests, each repeat among them sent twice, for domains that are not deleted meanwhile. */
export const lastingPlans = plansOf(0, changeOf(YOUNG));

/** The same, with the domain deleted now and then. */
export const plans = plansOf(0, changeOrEnd(YOUNG));

/** The same for domains with a quota for each token subject. */
export const plansOfSubjects = plansOf(0, changeOrEnd({ more: 0, tokens: subjectToken, rules: subjectSettings }));

/** The same for domains that belong to a subject, who removes devices, and whose other subjects try everything. */
export const plansOfOwners = plansOf(
  0,
  changeOrEnd({ more: 0, tokens: subjectToken, rules: ownerSettings, removals: 15 }),
  [{ weight: 12, arbitrary: subjectToken.map((token): Ask => ({ ask: "devices", token })) }],
);

/** The same for domains that have grown old. */
export const plansOfOld = plansOf(OLD_KEYS, changeOrEnd({ ...YOUNG, more: OLD_KEYS }));

/** The same as `plans`, with the domain's object lost now and then. */
export const plansWithLosses = plansOf(0, changeOrEnd(YOUNG), [
  { weight: 8, arbitrary: fc.constantFrom<Ask>({ ask: "lose", how: "abort" }, { ask: "lose", how: "evict" }) },
]);
