import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { Failure } from "./failures.ts";
import type { Loaded } from "./hooks.ts";
import { type OperatorScope, useLackOf } from "./lacking-scope.ts";

/** The id of the heading of a domain's view. */
export const VIEW_TITLE = "view-title";

/** The heading of a place: it takes the focus on arrival, so that a screen reader begins with it. */
export function Heading(props: {
  level: 1 | 2;
  arrived: boolean;
  id?: string;
  hidden?: boolean;
  children: ComponentChildren;
}) {
  const { level, arrived, id, hidden = false, children } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (arrived) heading.current?.focus();
  }, [arrived]);
  const Tag = level === 1 ? "h1" : "h2";
  return (
    <Tag id={id} class={hidden ? "visually-hidden" : undefined} ref={heading} tabIndex={-1}>
      {children}
    </Tag>
  );
}

/**
 * A failure in the server's own words. The fault of a field stands beside it, in the form's words: then the
 * focus goes there.
 *
 * @param fields the members of the request that have a field
 */
export function FailureNotice({ failure, fields = [] }: { failure: Failure | null; fields?: readonly string[] }) {
  const region = useRef<HTMLDivElement>(null);
  const faulty = Object.keys(failure?.fields ?? {});
  const standsThere = faulty.length > 0 && faulty.every((name) => fields.includes(name));
  useEffect(() => {
    if (standsThere) region.current?.closest("form")?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [failure]);
  return (
    <div role="alert" class="failure-region" ref={region}>
      {standsThere && <p class="failure failure-title">Nothing was changed. Correct the marked fields.</p>}
      {failure && !standsThere && (
        <div class="failure">
          <p class="failure-title">{failure.title}</p>
          {failure.detail && <p>{failure.detail}</p>}
          {(failure.error || failure.requestId) && (
            <p class="failure-names">
              {failure.error && <code>{failure.error}</code>}
              {failure.requestId && (
                <>
                  {" "}
                  request <code>{failure.requestId}</code>
                </>
              )}
            </p>
          )}
        </div>
      )}
    </div>
  );
}

/** A button that shows while its work is under way, and keeps the focus meanwhile. */
export function Button(props: {
  children: ComponentChildren;
  busy?: boolean;
  /** While something else is under way that must end first. */
  waits?: boolean;
  kind?: "primary" | "danger" | "plain" | "quiet";
  type?: "button" | "submit";
  label?: string;
  /** The scope that an operator needs for it. */
  needs?: OperatorScope;
  onClick?: () => void;
}) {
  const { children, busy = false, waits = false, kind = "plain", type = "button", label, needs, onClick } = props;
  const lack = useLackOf(needs);
  const isOff = busy || waits || lack !== null;
  return (
    <button
      type={type}
      class={`button ${kind}`}
      aria-label={label}
      aria-disabled={isOff}
      title={lack ?? undefined}
      onClick={(event) => {
        if (isOff) event.preventDefault();
        else onClick?.();
      }}
    >
      {busy && <span class="spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

/**
 * A labelled control, with a hint below it and, if the server did not like the value, a sentence of that. A warning speaks of
 * a value that the server takes.
 *
 * @param fault what the server said of the value, such as "must be an integer"
 */
export function Field(props: {
  label: string;
  hint?: ComponentChildren;
  warning?: string | undefined;
  fault?: string | undefined;
  control: (attributes: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => ComponentChildren;
}) {
  const id = useId();
  const { label, hint, warning, fault, control } = props;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {control({ id, "aria-describedby": `${id}-hint ${id}-warning ${id}-fault`, "aria-invalid": fault !== undefined })}
      <p id={`${id}-hint`} class="hint" hidden={hint === undefined}>
        {hint}
      </p>
      {warning !== undefined && (
        <p id={`${id}-warning`} class="notice">
          {warning}
        </p>
      )}
      <p id={`${id}-fault`} class="fault" hidden={fault === undefined}>
        {fault === undefined ? null : `${label} ${fault}.`}
      </p>
    </div>
  );
}

/** A field for why something is done. */
export function ReasonField(props: {
  hint: string;
  fault: string | undefined;
  value: string;
  onInput: (value: string) => void;
}) {
  const { hint, fault, value, onInput } = props;
  return (
    <Field
      label="Reason"
      hint={hint}
      fault={fault}
      control={(attributes) => (
        <textarea
          {...attributes}
          required
          maxLength={500}
          rows={3}
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    />
  );
}

/** A checkbox with its label beside it. */
export function Checkbox(props: {
  label: string;
  hint: string;
  checked: boolean;
  fault?: string | undefined;
  onChange: (checked: boolean) => void;
}) {
  const id = useId();
  const { label, hint, checked, fault, onChange } = props;
  return (
    <div class="field checkbox">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={`${id}-hint`}
        aria-invalid={fault !== undefined}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      <p id={`${id}-hint`} class={fault ? "fault" : "hint"}>
        {fault === undefined ? hint : `“${label}” ${fault}.`}
      </p>
    </div>
  );
}

/** A list of which there may be more: its items, or that there are none, or why they could not be had. */
export function PagedList<Item>(props: {
  list: Loaded<readonly Item[]> & Readonly<{ more: (() => void) | null; reload: () => void }>;
  /** The noun for its items. */
  label: string;
  empty: ComponentChildren;
  item: (item: Item) => ComponentChildren;
  ordered?: boolean;
  /** The element around the items; a list if left out. */
  frame?: (items: ComponentChildren) => ComponentChildren;
}) {
  const { list, label, empty, item, ordered = false, frame } = props;
  const { value, failure, busy, more, reload } = list;
  const List = ordered ? "ol" : "ul";
  return (
    <div class="paged" aria-busy={busy}>
      {value && value.length > 0 && frame?.(value.map(item))}
      {value && value.length > 0 && !frame && (
        <List class={ordered ? "timeline" : "rows"} aria-label={label}>
          {value.map(item)}
        </List>
      )}
      {value?.length === 0 && <p class="empty">{empty}</p>}
      {!value && busy && <Progress />}
      <FailureNotice failure={failure} />
      {failure && !value && <Button onClick={reload}>Try again</Button>}
      {value && more && (
        <Button busy={busy} onClick={more}>
          More
        </Button>
      )}
    </div>
  );
}

/** That something is on its way. */
export function Progress() {
  return (
    <p class="progress" role="status">
      <span class="spinner" aria-hidden="true" /> Loading…
    </p>
  );
}
