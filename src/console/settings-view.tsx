import { useState } from "preact/hooks";
import type { Settings } from "./admin-types.ts";
import { useConsole } from "./context.ts";
import type { DomainViewProps } from "./domain-page.tsx";
import { useAction } from "./loading.ts";
import { Button, Checkbox, FailureNotice, Field } from "./parts.tsx";

/** The rules as they stand in the form. */
type Draft = Readonly<{
  authenticationRequired: boolean;
  authNamespace: string;
  maxMembership: string;
  deviceKeyRequired: boolean;
}>;

/** A domain's rules, to change. What is well formed, the server says. */
export function SettingsView({ overview, refresh }: DomainViewProps) {
  const { api, say } = useConsole();
  const [draft, setDraft] = useState(() => draftOf(overview));
  const save = useAction();
  const faults = save.failure?.fields ?? {};
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const submit = (event: Event) => {
    event.preventDefault();
    save.run(async () => {
      const patch = patchOf(draft, overview);
      if (Object.keys(patch).length === 0) return say("Nothing was changed.");
      setDraft(draftOf(await api.changeSettings(overview.domain, patch)));
      say("The settings are saved. They hold from the next request on.");
      refresh();
    });
  };
  return (
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
      <FailureNotice failure={save.failure} />
      <div class="buttons">
        <Button type="submit" kind="primary" busy={save.busy}>
          Save
        </Button>
      </div>
    </form>
  );
}

function draftOf({ authenticationRequired, authNamespace, maxMembership, deviceKeyRequired }: Settings): Draft {
  return {
    authenticationRequired,
    authNamespace: authNamespace ?? "",
    maxMembership: maxMembership === null ? "" : String(maxMembership),
    deviceKeyRequired,
  };
}

/** What differs from the settings. A maximum that is no number is sent as it is: the server says what is wrong with it. */
function patchOf(draft: Draft, settings: Settings): Readonly<Record<string, unknown>> {
  const maximum = draft.maxMembership.trim();
  const wanted: Readonly<Record<keyof Settings, unknown>> = {
    authenticationRequired: draft.authenticationRequired,
    authNamespace: draft.authNamespace === "" ? null : draft.authNamespace,
    maxMembership: maximum === "" ? null : Number.isNaN(Number(maximum)) ? maximum : Number(maximum),
    deviceKeyRequired: draft.deviceKeyRequired,
  };
  return Object.fromEntries(
    Object.entries(wanted).filter(([name, value]) => value !== settings[name as keyof Settings]),
  );
}
