import { creationEvents } from "./creation.ts";
import type { FieldError } from "./refusals.ts";
import {
  DEFAULT_SETTINGS,
  type Decision,
  type DomainEvent,
  type DomainSettings,
  type DomainState,
  granted,
  refused,
} from "./types.ts";

/** Some settings; what is absent is left to its default (replace, create) or as it is (merge). */
export type SettingsPatch = { readonly [Name in keyof DomainSettings]?: DomainSettings[Name] | undefined };

/** An operator sets the rules of a domain: all of them, creating it if need be; those of a new one; or some. */
export type SettingsChange = Readonly<{
  type: "settings";
  requestId: string;
  /** The operator. */
  by: string;
  mode: "replace" | "create" | "merge";
  patch: SettingsPatch;
}>;

/** The settings that hold from now on, and whether the domain came into being by them. */
export type SettingsGrant = Readonly<{ settings: DomainSettings; created: boolean }>;

/** Contradictions in these settings, by field. */
export function settingsProblems(settings: DomainSettings): readonly FieldError[] {
  const needed = settings.authenticationRequired ? [] : (["authNamespace", "maxMembershipPerSubject"] as const);
  const problems = needed
    .filter((name) => settings[name] !== null)
    .map((field) => ({ field, detail: "needs authenticationRequired to be true" }));
  return settings.ownerSubject !== null && settings.authNamespace === null
    ? [...problems, { field: "ownerSubject", detail: "needs authNamespace, the namespace of the owner's tokens" }]
    : problems;
}

/** Decides a change of settings. A maximum below the present count evicts nobody and admits nobody. */
export function decideSettings(
  state: DomainState,
  { mode, patch, requestId, by }: SettingsChange,
): Decision<SettingsGrant> {
  const created = state.revision === 0;
  if (!created && mode === "create") {
    return refused({
      error: "DOMAIN_EXISTS",
      reason: "creation of a domain that exists",
      detail: "It was not changed.",
    });
  }
  if (created && mode === "merge") return refused({ error: "DOMAIN_NOT_FOUND", reason: "merge into no domain" });

  const previous = state.settings;
  const settings = overlay(mode === "merge" ? previous : DEFAULT_SETTINGS, patch);
  const fields = settingsProblems(settings);
  if (fields.length > 0) return refused({ error: "INVALID_REQUEST", reason: "contradictory settings", fields });

  const changed: DomainEvent[] = sameSettings(settings, previous)
    ? []
    : [{ type: "settings-changed", settings, previous, requestId, by }];
  return granted({ settings, created }, [...creationEvents(state), ...changed]);
}

/** Settings with those of a patch in their places. */
export function overlay(base: DomainSettings, patch: SettingsPatch): DomainSettings {
  const given = Object.entries(patch).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(given) };
}

function sameSettings(a: DomainSettings, b: DomainSettings): boolean {
  return (Object.keys(DEFAULT_SETTINGS) as (keyof DomainSettings)[]).every((name) => a[name] === b[name]);
}
