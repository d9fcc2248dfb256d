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
  /** Does it. The signal is aborted if the operator presses Cancel meanwhile. */
  work: (stop: AbortSignal) => Promise<unknown>;
  /** Whether the work has several steps, and ends before the next one once the signal is aborted. */
  stoppable?: boolean;
  /** The id of what gets the focus once it is done, for when what it was opened from goes away by that. */
  thenFocus?: string;
  /** Told once it is closed: whether it was done. */
  onClose: (done: boolean) => void;
}) {
  const { title, children, action: verb, danger = false, fields = [], work, stoppable = false } = props;
  const { thenFocus = "", onClose } = props;
  const action = useAction();
  const dialog = useRef<HTMLDialogElement>(null);
  const done = useRef(false);
  const stop = useRef(new AbortController());
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
    done.current = await action.run(() => {
      stop.current = new AbortController();
      return work(stop.current.signal);
    });
    if (done.current) onClose(true);
  };
  const cancel = () => (action.busy ? stop.current.abort() : onClose(false));
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        cancel();
      }}
    >
      <form onSubmit={submit}>
        <h2 id={id}>{title}</h2>
        {typeof children === "function" ? children(action) : children}
        <FailureNotice failure={action.failure} fields={fields} />
        <div class="buttons">
          <Button waits={action.busy && !stoppable} onClick={cancel}>
            Cancel
          </Button>
          <Button type="submit" kind={danger ? "danger" : "primary"} busy={action.busy}>
            {verb}
          </Button>
        </div>
      </form>
    </dialog>
  );
}
