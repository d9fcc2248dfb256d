import type { DomainOverview, SettingsPatch } from "../operator/index.ts";
import { covers, stem } from "../protocol/namespace-patterns.ts";
import { typedNumber } from "./typed-number.ts";

/** A setting as the form has it. What is well formed, the server says. */
type FormField = Readonly<
  { name: keyof SettingsPatch; label: string; hint: string } & (
    | { kind: "switch" | "text" | "number" }
    | { kind: "choice"; options: Readonly<Record<string, string>> }
  )
>;

/** The settings, in groups. */
export const SETTINGS_FORM: readonly Readonly<{ title: string; fields: readonly FormField[] }>[] = [
  {
    title: "Who may join",
    fields: [
      {
        name: "authenticationRequired",
        label: "Devices need an auth token",
        hint: "A token of a trusted issuer, to join, renew and leave.",
        kind: "switch",
      },
      {
        name: "authNamespace",
        label: "Auth namespace",
        hint: "Whose tokens are accepted. Empty: those of every trusted issuer.",
        kind: "text",
      },
      {
        name: "ownerSubject",
        label: "Owner's token subject",
        hint: "Only tokens of this subject are accepted, and they manage the devices. Empty: no owner.",
        kind: "text",
      },
      {
        name: "deviceKeyRequired",
        label: "Devices must sign",
        hint: "Only requests signed with a device's own key are served.",
        kind: "switch",
      },
    ],
  },
  {
    title: "How many",
    fields: [
      {
        name: "maxMembership",
        label: "Maximum of members",
        hint: "Empty: as many as want to. A maximum below the present number removes nobody and admits nobody.",
        kind: "number",
      },
      {
        name: "maxMembershipPerSubject",
        label: "Maximum per token subject",
        hint: "How many members may have joined by tokens of one subject. Empty: no maximum.",
        kind: "number",
      },
      {
        name: "whenFull",
        label: "When the domain is full",
        hint: "What becomes of a device that is one too many.",
        kind: "choice",
        options: { refuse: "It is refused", "replace-least-recent": "It replaces the device that was idle longest" },
      },
      {
        name: "minIdleDays",
        label: "Days before a device may be replaced",
        hint: "Only a device that has not renewed for more days makes room. Empty: 30.",
        kind: "number",
      },
    ],
  },
  {
    title: "Keys",
    fields: [
      {
        name: "rolloverIntervalSeconds",
        label: "Seconds between rollovers",
        hint: "Leaves bring a new key at most once in this time. Until then, a device that left can open what is encrypted in those seconds. Evictions and bans do not wait. Empty: the server's default.",
        kind: "number",
      },
      {
        name: "retireAfterDays",
        label: "Days until a replaced key is retired",
        hint: "A device that joins later does not get the key, and cannot open what is encrypted to it. Empty: never.",
        kind: "number",
      },
    ],
  },
  {
    title: "Idle devices",
    fields: [
      {
        name: "memberIdleDays",
        label: "Days until an idle device is removed",
        hint: "A device that has not renewed for more days is evicted. Empty: never.",
        kind: "number",
      },
      {
        name: "deleteAfterEmptyDays",
        label: "Days until an empty domain is deleted",
        hint: "Counted from its last change. Empty: never.",
        kind: "number",
      },
    ],
  },
];

const FIELDS = SETTINGS_FORM.flatMap(({ fields }) => fields);

const LABELS = new Map<string, string>(FIELDS.map(({ name, label }) => [name, label]));

/** The members of the request that have a field in the form. */
export const SETTING_NAMES: readonly string[] = [...LABELS.keys()];

/** The server's error of a value, with the form's labels for other settings. */
export function inFormWords(fault: string): string {
  return fault
    .replace(/(\w+) to be true/, (text, name) => (LABELS.has(name) ? `“${LABELS.get(name)}” to be ticked` : text))
    .replace(/\w+/g, (name) => (LABELS.has(name) ? `“${LABELS.get(name)}”` : name));
}

/** The settings as they stand in the form. */
export type SettingsDraft = Readonly<Partial<Record<keyof SettingsPatch, string | boolean>>>;

export function draftOf(settings: DomainOverview): SettingsDraft {
  return Object.fromEntries(
    FIELDS.map(({ name, kind }) => [name, kind === "switch" ? settings[name] : String(settings[name] ?? "")]),
  );
}

/** The draft once `sent` is saved: a field that was changed meanwhile, up to `now`, keeps what the operator typed. */
export function draftAfterSave(saved: DomainOverview, sent: SettingsDraft, now: SettingsDraft): SettingsDraft {
  const typed = FIELDS.filter(({ name }) => now[name] !== sent[name]).map(({ name }) => [name, now[name]]);
  return { ...draftOf(saved), ...Object.fromEntries(typed) };
}

/** The texts that the operator may choose from; the beginnings of namespaces that begin so, for a prefix. */
export function choicesOf(name: keyof SettingsPatch, authNamespaces: readonly string[]): readonly string[] {
  return name === "authNamespace" ? authNamespaces.map(stem).filter((choice) => choice !== "") : [];
}

/** The warning about a setting that is well formed but lets no device in; undefined if there is none. */
export function warningOf(
  name: keyof SettingsPatch,
  { authenticationRequired, authNamespace }: SettingsDraft,
  authNamespaces: readonly string[],
): string | undefined {
  if (name !== "authNamespace" || authenticationRequired !== true) return undefined;
  if (authNamespaces.length === 0) return "The server trusts no issuer: no device will be let in.";
  const wanted = String(authNamespace ?? "");
  return wanted === "" || covers(authNamespaces, wanted)
    ? undefined
    : "No trusted issuer makes tokens of this namespace: no device will be let in.";
}

/** The changed settings. */
export function patchOf(draft: SettingsDraft, settings: DomainOverview): SettingsPatch {
  const wanted = FIELDS.map(({ name, kind }) => {
    const typed = draft[name];
    if (typeof typed !== "string") return [name, typed];
    return [name, kind === "number" ? typedNumber(typed) : typed === "" ? null : typed];
  });
  return Object.fromEntries(wanted.filter(([name, value]) => value !== settings[name as keyof SettingsPatch]));
}
