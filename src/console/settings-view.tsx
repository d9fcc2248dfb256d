import { useId, useLayoutEffect, useState } from "preact/hooks";
import { Button, Checkbox, FailureNotice, Field } from "./components.tsx";
import { useConsole } from "./context.ts";
import { DeleteDomain } from "./delete-dialog.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import type { Failure } from "./failures.ts";
import { useAction } from "./hooks.ts";
import {
  choicesOf,
  draftAfterSave,
  draftOf,
  inFormWords,
  patchOf,
  SETTING_NAMES,
  SETTINGS_FORM,
  type SettingsDraft,
  warningOf,
} from "./settings-form.ts";

type FormField = (typeof SETTINGS_FORM)[number]["fields"][number];

/** A domain's rules, to change. */
export function SettingsView({ overview, refresh }: DomainViewProps) {
  const { operator, say, unsaved } = useConsole();
  // As the server last told them: what the page shows of the domain follows a moment after a save.
  const [saved, setSaved] = useState(overview);
  const [draft, setDraft] = useState(() => draftOf(overview));
  const save = useAction();
  const isChanged = Object.keys(patchOf(draft, saved)).length > 0;
  useWarningBeforeLeaving(isChanged, unsaved);
  const submit = (event: Event) => {
    event.preventDefault();
    save.run(async () => {
      if (!isChanged) return say("Nothing was changed.");
      const changed = await operator.domain(overview.domain).changeSettings(patchOf(draft, saved));
      setSaved(changed);
      setDraft((now) => draftAfterSave(changed, draft, now));
      say("The settings are saved. They hold from the next request on.");
      refresh();
    });
  };
  return (
    <>
      <form class="card settings" onSubmit={submit}>
        {SETTINGS_FORM.map(({ title, fields }) => (
          <fieldset key={title}>
            <legend>{title}</legend>
            {fields.map((field) => (
              <SettingField
                key={field.name}
                field={field}
                draft={draft}
                fault={faultOf(save.failure, field.name)}
                onChange={(part) => setDraft((before) => ({ ...before, ...part }))}
              />
            ))}
          </fieldset>
        ))}
        <FailureNotice failure={save.failure} fields={SETTING_NAMES} />
        <div class="buttons">
          <Button type="submit" kind="primary" needs="domains:write" busy={save.busy}>
            Save
          </Button>
          {isChanged && <span class="muted">Not saved yet.</span>}
        </div>
      </form>
      <DeleteDomain overview={overview} />
    </>
  );
}

function SettingField(props: {
  field: FormField;
  draft: SettingsDraft;
  fault: string | undefined;
  onChange: (part: SettingsDraft) => void;
}) {
  const { field, draft, fault, onChange } = props;
  const { name, label, hint, kind } = field;
  const authNamespaces = useConsole().identity?.authNamespaces;
  const choices = choicesOf(name, authNamespaces ?? []);
  const choicesId = useId();
  if (kind === "switch") {
    return (
      <Checkbox
        label={label}
        hint={hint}
        checked={draft[name] === true}
        fault={fault}
        onChange={(checked) => onChange({ [name]: checked })}
      />
    );
  }
  const value = String(draft[name] ?? "");
  return (
    <Field
      label={label}
      hint={hint}
      warning={authNamespaces && warningOf(name, draft, authNamespaces)}
      fault={fault}
      control={(attributes) =>
        kind === "choice" ? (
          <select {...attributes} value={value} onChange={(event) => onChange({ [name]: event.currentTarget.value })}>
            {Object.entries(field.options).map(([option, text]) => (
              <option key={option} value={option}>
                {text}
              </option>
            ))}
          </select>
        ) : (
          <>
            <input
              {...attributes}
              {...(kind === "number" ? { class: "short", inputMode: "numeric" } : { spellcheck: false })}
              type="text"
              {...(choices.length > 0 ? { list: choicesId } : {})}
              autocomplete="off"
              value={value}
              onInput={(event) => onChange({ [name]: event.currentTarget.value })}
            />
            {choices.length > 0 && (
              <datalist id={choicesId}>
                {choices.map((choice) => (
                  <option key={choice} value={choice} />
                ))}
              </datalist>
            )}
          </>
        )
      }
    />
  );
}

function faultOf(failure: Failure | null, name: string): string | undefined {
  const fault = failure?.fields[name];
  return fault === undefined ? undefined : inFormWords(fault);
}

/** Has the browser ask before the page goes, and the console before the view goes, while something is not saved. */
function useWarningBeforeLeaving(isChanged: boolean, unsaved: { current: boolean }): void {
  // Before the operator can do anything else.
  useLayoutEffect(() => {
    if (!isChanged) return;
    const warn = (event: Event) => event.preventDefault();
    addEventListener("beforeunload", warn);
    unsaved.current = true;
    return () => {
      removeEventListener("beforeunload", warn);
      unsaved.current = false;
    };
  }, [isChanged]);
}
