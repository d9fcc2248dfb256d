import type { ComponentChildren } from "preact";
import type { Change, LoggedSettings, Settings } from "./admin-types.ts";

/** What the log's changes say, and the colour of their dot in the timeline. */
const SENTENCES: Readonly<
  Record<string, Readonly<{ tone: "good" | "bad" | "key" | "plain"; say: (change: Change) => ComponentChildren }>>
> = {
  "domain-created": { tone: "plain", say: () => "The domain came into being" },
  "device-joined": { tone: "good", say: ({ deviceId }) => <>{device(deviceId)} joined</> },
  "device-key-bound": { tone: "plain", say: ({ deviceId }) => <>{device(deviceId)} signs from now on</> },
  "device-left": { tone: "bad", say: ({ deviceId }) => <>{device(deviceId)} left</> },
  "device-evicted": { tone: "bad", say: ({ deviceId }) => <>{device(deviceId)} was evicted</> },
  "device-banned": { tone: "bad", say: ({ deviceId }) => <>{device(deviceId)} was banned</> },
  "device-unbanned": { tone: "plain", say: ({ deviceId }) => <>The ban of {device(deviceId)} was lifted</> },
  "request-used": { tone: "plain", say: ({ deviceId }) => <>{device(deviceId)} got its keys by a signed request</> },
  "rollover-required": { tone: "key", say: () => "A rollover was asked for" },
  "key-made": { tone: "key", say: ({ keyVersion }) => <>Key {keyVersion} was made</> },
  "keys-retired": { tone: "key", say: retirementSentence },
  "keys-rewrapped": { tone: "key", say: rewrappingSentence },
  "domain-taken-over": { tone: "plain", say: takeOverSentence },
  "settings-changed": { tone: "plain", say: settingsSentence },
};

/** The colour of a change's dot. */
export function toneOf({ type }: Change): string {
  return SENTENCES[type]?.tone ?? "plain";
}

/** One change as a sentence, with who did it and why if that is known. */
export function ChangeSentence({ change }: { change: Change }) {
  const { type, by, reason } = change;
  return (
    <>
      {SENTENCES[type]?.say(change) ?? type}
      {by !== undefined && <span class="muted"> by {by}</span>}
      {reason !== undefined && <q class="reason">{reason}</q>}
    </>
  );
}

function device(deviceId: string | undefined): ComponentChildren {
  return <code>{deviceId ?? "a device"}</code>;
}

function retirementSentence({ upTo }: Change): ComponentChildren {
  return upTo === 0 ? "No keys are retired any more" : <>Keys up to {upTo} were retired</>;
}

function rewrappingSentence({ keys, keyEncryptionKid }: Change): ComponentChildren {
  return (
    <>
      {keys === 1 ? "1 key was" : `${keys} keys were`} wrapped with <code>{keyEncryptionKid}</code>
    </>
  );
}

function takeOverSentence({ memberCount, keyVersion }: Change): ComponentChildren {
  const members = memberCount === 1 ? "1 member" : `${memberCount} members`;
  return `The domain was taken over from the database, with ${members} and key version ${keyVersion}`;
}

/** What a setting is called, and what it means that it has no value. */
const SETTINGS: Readonly<Record<keyof Settings, Readonly<{ name: string; none?: string }>>> = {
  authenticationRequired: { name: "auth token needed" },
  authNamespace: { name: "auth namespace" },
  maxMembership: { name: "maximum of members" },
  deviceKeyRequired: { name: "signing needed" },
  rolloverIntervalSeconds: { name: "seconds between rollovers", none: "the server's default" },
  retireAfterDays: { name: "days until a replaced key is retired", none: "never" },
};

function settingsSentence({ settings = {}, previous = {} }: Change): ComponentChildren {
  const names = (Object.keys(SETTINGS) as (keyof Settings)[]).filter((name) => settings[name] !== previous[name]);
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

function valueText(name: keyof Settings, settings: LoggedSettings): string {
  const value = settings[name] ?? null;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value === null ? (SETTINGS[name].none ?? "none") : String(value);
}
