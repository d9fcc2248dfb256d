import { useState } from "preact/hooks";
import type { DomainOverview, SettingsPatch } from "../operator/index.ts";
import { useConsole } from "./context.ts";
import { DeleteDomain } from "./delete-dialog.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { useAction } from "./loading.ts";
import { Button, Checkbox, FailureNotice, Field } from "./parts.tsx";
import { typedNumber } from "./typed-number.ts";

/** The rules as they stand in the form. */
type Draft = Readonly<{
  authenticationRequired: boolean;
  authNamespace: string;
  maxMembership: string;
  deviceKeyRequired: boolean;
  rolloverIntervalSeconds: string;
  retireAfterDays: string;
}>;

/** The rules that the form has. */
type Settings = Pick<DomainOverview, keyof Draft>;

/** A domain's rules, to change. What is well formed, the server says. */
export function SettingsView({ overview, refresh }: DomainViewProps) {
  const { operator, say } = useConsole();
  const [draft, setDraft] = useState(() => draftOf(overview));
  const save = useAction();
  const faults = save.failure?.fields ?? {};
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const submit = (event: Event) => {
    event.preventDefault();
    save.run(async () => {
      const patch = patchOf(draft, overview);
      if (Object.keys(patch).length === 0) return say("Nothing was changed.");
      setDraft(draftOf(await operator.domain(overview.domain).changeSettings(patch)));
      say("The settings are saved. They hold from the next request on.");
      refresh();
    });
  };
  return (
    <>
      <form class="card settings" onSubmit={submit}>
        <Checkbox
          label="Devices need an auth token"
          hint="A token of a trusted issuer, to join, renew and leave."
          checked={draft.authenticationRequired}
          fault={faults.authenticationRequired}
          onChange={(authenticationRequired) => change({ authenticationRequired })}
        />
        <Field
          label="Auth namespace"
          hint="Whose tokens are accepted. Empty: those of every trusted issuer."
          fault={faults.authNamespace}
          control={(attributes) => (
            <input
              {...attributes}
              autocomplete="off"
              spellcheck={false}
              value={draft.authNamespace}
              onInput={(event) => change({ authNamespace: event.currentTarget.value })}
            />
          )}
        />
        <Field
          label="Maximum of members"
          hint="Empty: as many as want to. A maximum below the present number removes nobody and admits nobody."
          fault={faults.maxMembership}
          control={(attributes) => (
            <input
              {...attributes}
              class="short"
              inputMode="numeric"
              autocomplete="off"
              value={draft.maxMembership}
              onInput={(event) => change({ maxMembership: event.currentTarget.value })}
            />
          )}
        />
        <Checkbox
          label="Devices must sign"
          hint="Only requests signed with a device's own key are served."
          checked={draft.deviceKeyRequired}
          fault={faults.deviceKeyRequired}
          onChange={(deviceKeyRequired) => change({ deviceKeyRequired })}
        />
        <Field
          label="Seconds between rollovers"
          hint="Leaves bring a new key at most once in this time. Until then, a device that left can open what is encrypted in those seconds. Evictions and bans do not wait. Empty: the server's default."
          fault={faults.rolloverIntervalSeconds}
          control={(attributes) => (
            <input
              {...attributes}
              class="short"
              inputMode="numeric"
              autocomplete="off"
              value={draft.rolloverIntervalSeconds}
              onInput={(event) => change({ rolloverIntervalSeconds: event.currentTarget.value })}
            />
          )}
        />
        <Field
          label="Days until a replaced key is retired"
          hint="A device that joins later does not get the key, and cannot open what is encrypted to it. Empty: never."
          fault={faults.retireAfterDays}
          control={(attributes) => (
            <input
              {...attributes}
              class="short"
              inputMode="numeric"
              autocomplete="off"
              value={draft.retireAfterDays}
              onInput={(event) => change({ retireAfterDays: event.currentTarget.value })}
            />
          )}
        />
        <FailureNotice failure={save.failure} />
        <div class="buttons">
          <Button type="submit" kind="primary" busy={save.busy}>
            Save
          </Button>
        </div>
      </form>
      <DeleteDomain overview={overview} />
    </>
  );
}

function draftOf(settings: Settings): Draft {
  const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = settings;
  return {
    authenticationRequired,
    authNamespace: authNamespace ?? "",
    maxMembership: String(maxMembership ?? ""),
    deviceKeyRequired,
    rolloverIntervalSeconds: String(settings.rolloverIntervalSeconds),
    retireAfterDays: String(settings.retireAfterDays ?? ""),
  };
}

/** What differs from the settings. */
function patchOf(draft: Draft, settings: Settings): SettingsPatch {
  const wanted: Readonly<Record<keyof Settings, unknown>> = {
    authenticationRequired: draft.authenticationRequired,
    authNamespace: draft.authNamespace === "" ? null : draft.authNamespace,
    maxMembership: typedNumber(draft.maxMembership),
    deviceKeyRequired: draft.deviceKeyRequired,
    rolloverIntervalSeconds: typedNumber(draft.rolloverIntervalSeconds),
    retireAfterDays: typedNumber(draft.retireAfterDays),
  };
  return Object.fromEntries(
    Object.entries(wanted).filter(([name, value]) => value !== settings[name as keyof Settings]),
  );
}
