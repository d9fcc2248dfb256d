import { type SettingsPatch, settingsProblems } from "../../src/domain/settings.ts";
import { DEFAULT_SETTINGS, type DomainSettings } from "../../src/domain/types.ts";
import type { Answer } from "./answers.ts";
import type { Tables } from "./tables.ts";

/** An operator sets the rules of a domain; what is absent takes its default. */
export type SettingsRequest = Readonly<{ patch: SettingsPatch }>;

/** Replaces the settings of a domain, creating it if need be. */
export async function changeSettings(
  tables: Tables,
  { patch }: SettingsRequest,
): Promise<Answer<{ created: boolean }>> {
  const settings = { ...DEFAULT_SETTINGS, ...patch } as DomainSettings;
  const fields = settingsProblems(settings);
  if (fields.length > 0) {
    return { granted: false, refusal: { error: "INVALID_REQUEST", reason: "contradictory settings", fields } };
  }
  const info = await tables.info();
  if (!info) await tables.insertInfo();
  await tables.updateSettings(settings);
  await tables.record({ members: 0, keyRolloverRequired: info?.keyRolloverRequired ?? true }, [
    { type: "settings-changed", settings },
  ]);
  return { granted: true, grant: { created: !info } };
}
