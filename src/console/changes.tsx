import type { ComponentChildren } from "preact";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { LogChange, SettingsInForce } from "../operator/index.ts";
import { hashOf } from "./routes.ts";

/** The change of a type. */
type ChangeOf<Type> = Extract<LogChange, { type: Type }>;

/** The text of a change, and the colour of its dot in the timeline. */
type Sentence<Change> = Readonly<{
  tone: "good" | "bad" | "key" | "plain";
  say: (change: Change) => ComponentChildren;
}>;

/** Texts of the log's changes. */
const SENTENCES: { readonly [Type in LogChange["type"]]: Sentence<ChangeOf<Type>> } = {
  "domain-created": { tone: "plain", say: () => "The domain came into being" },
  "device-joined": { tone: "good", say: ({ deviceId }) => <>{device(deviceId)} joined</> },
  "device-key-bound": { tone: "plain", say: ({ deviceId }) => <>{device(deviceId)} signs from now on</> },
  "device-named": { tone: "plain", say: ({ deviceId }) => <>{device(deviceId)} was named</> },
  "device-left": { tone: "bad", say: ({ deviceId }) => <>{device(deviceId)} left</> },
  "device-evicted": { tone: "bad", say: ({ deviceId }) => <>{device(deviceId)} was evicted</> },
  "device-banned": { tone: "bad", say: ({ deviceId }) => <>{device(deviceId)} was banned</> },
  "device-unbanned": { tone: "plain", say: ({ deviceId }) => <>The ban of {device(deviceId)} was lifted</> },
  "request-used": { tone: "plain", say: ({ deviceId }) => <>{device(deviceId)} got its keys by a signed request</> },
  "rollover-required": { tone: "key", say: () => "A rollover was asked for" },
  "key-made": { tone: "key", say: ({ keyVersion }) => <>Key {keyVersion} was made</> },
  "keys-retired": { tone: "key", say: retirementSentence },
  "keys-rewrapped": { tone: "key", say: rewrappingSentence },
  "names-resealed": { tone: "key", say: resealingSentence },
  "domain-taken-over": { tone: "plain", say: takeOverSentence },
  "settings-changed": { tone: "plain", say: settingsSentence },
};

/** The colour of a change's dot. */
export function toneOf(change: LogChange): string {
  return sentenceOf(change)?.tone ?? "plain";
}

/** One change as a sentence, with who did it and why if that is known. */
export function ChangeSentence({ change }: { change: LogChange }) {
  return (
    <>
      {sentenceOf(change)?.say(change) ?? change.type}
      {"by" in change && change.by !== undefined && <span class="muted"> by {change.by}</span>}
      {"reason" in change && <q class="reason">{change.reason}</q>}
    </>
  );
}

/** None for a change of a type that a newer server has. */
function sentenceOf({ type }: LogChange): Sentence<LogChange> | undefined {
  return SENTENCES[type] as Sentence<LogChange> | undefined;
}

/** The domain whose log is shown. */
export const DomainOfLog = createContext("");

/** The types of changes, in the order in which they are explained. */
export const CHANGE_TYPES = Object.keys(SENTENCES) as readonly LogChange["type"][];

function device(deviceId: string): ComponentChildren {
  return <DeviceLink deviceId={deviceId} />;
}

/** A device as the log calls it, which leads to the member. */
function DeviceLink({ deviceId }: { deviceId: string }) {
  const domain = useContext(DomainOfLog);
  return (
    <a class="device-link" href={hashOf({ page: "domain", domain, view: "members", selection: { device: deviceId } })}>
      <code>{deviceId}</code>
    </a>
  );
}

function retirementSentence({ upTo }: ChangeOf<"keys-retired">): ComponentChildren {
  return upTo === 0 ? "No keys are retired any more" : <>Keys up to {upTo} were retired</>;
}

function rewrappingSentence({ keys, keyEncryptionKid }: ChangeOf<"keys-rewrapped">): ComponentChildren {
  return (
    <>
      {keys === 1 ? "1 key was" : `${keys} keys were`} wrapped with <code>{keyEncryptionKid}</code>
    </>
  );
}

function resealingSentence({ names, keyEncryptionKid }: ChangeOf<"names-resealed">): ComponentChildren {
  return (
    <>
      {names === 1 ? "1 device name was" : `${names} device names were`} encrypted with <code>{keyEncryptionKid}</code>
    </>
  );
}

function takeOverSentence({ memberCount, keyVersion }: ChangeOf<"domain-taken-over">): ComponentChildren {
  const members = memberCount === 1 ? "1 member" : `${memberCount} members`;
  return `The domain was taken over from the database, with ${members} and key version ${keyVersion}`;
}

/** The label of a setting, and the text for no value. */
const SETTINGS: Readonly<Record<keyof SettingsInForce, Readonly<{ name: string; none?: string }>>> = {
  authenticationRequired: { name: "auth token needed" },
  authNamespace: { name: "auth namespace" },
  maxMembership: { name: "maximum of members" },
  deviceKeyRequired: { name: "signing needed" },
  rolloverIntervalSeconds: { name: "seconds between rollovers", none: "the server's default" },
  retireAfterDays: { name: "days until a replaced key is retired", none: "never" },
  maxMembershipPerSubject: { name: "maximum of members per token subject" },
  ownerSubject: { name: "the owner's token subject" },
  whenFull: { name: "when the domain is full" },
  minIdleDays: { name: "idle days before a member is replaced" },
  memberIdleDays: { name: "days until an idle member is removed", none: "never" },
  deleteAfterEmptyDays: { name: "days until an empty domain is deleted", none: "never" },
};

function settingsSentence({ settings, previous }: ChangeOf<"settings-changed">): ComponentChildren {
  const names = (Object.keys(SETTINGS) as (keyof SettingsInForce)[]).filter(
    (name) => settings[name] !== previous[name],
  );
  return (
    <>
      The settings were changed
      <ul class="differences">
        {names.map((name) => (
          <li key={name}>
            {SETTINGS[name].name}: <del>{valueText(name, previous)}</del> <ins>{valueText(name, settings)}</ins>
          </li>
        ))}
      </ul>
    </>
  );
}

function valueText(name: keyof SettingsInForce, settings: SettingsInForce): string {
  const value = settings[name] ?? null;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value === null ? (SETTINGS[name].none ?? "none") : String(value);
}
