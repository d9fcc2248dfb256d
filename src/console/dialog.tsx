import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Button, FailureNotice } from "./components.tsx";
import { type Action, useAction } from "./hooks.ts";

/** A question that is asked before something happens. It stays open, with the server's words, if that fails. */
export function Dialog(props: {
  title: string;
  children: ComponentChildren | ((action: Action) => ComponentChildren);
  /** The label of the button that confirms. */
  action: string;
  danger?: boolean;
  /** The members of the request that have a field in it. */
  fields?: readonly string[];
  work: () => Promise<unknown>;
  /** The id of what gets the focus once it is done, for when what it was opened from goes away by that. */
  thenFocus?: string;
  /** Told once it is closed: whether it was done. */
  onClose: (done: boolean) => void;
}) {
  const { title, children, action: verb, danger = false, fields = [], work, thenFocus = "", onClose } = props;
  const action = useAction();
  const dialog = useRef<HTMLDialogElement>(null);
  const done = useRef(false);
  const id = useId();
  useLayoutEffect(() => {
    const element = dialog.current as HTMLDialogElement;
    element.showModal();
    // While it is still there: closing gives the focus back to what it was taken from.
    return () => {
      element.close();
      if (done.current) document.getElementById(thenFocus)?.focus();
    };
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    done.current = await action.run(work);
    if (done.current) onClose(true);
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (!action.busy) onClose(false);
      }}
    >
      <form onSubmit={submit}>
        <h2 id={id}>{title}</h2>
        {typeof children === "function" ? children(action) : children}
        <FailureNotice failure={action.failure} fields={fields} />
        <div class="buttons">
          <Button onClick={() => onClose(false)}>Cancel</Button>
          <Button type="submit" kind={danger ? "danger" : "primary"} busy={action.busy}>
            {verb}
          </Button>
        </div>
      </form>
    </dialog>
  );
}
