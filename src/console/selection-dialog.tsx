import { useState } from "preact/hooks";
import { type Member, OperatorError } from "../operator/index.ts";
import { Field, VIEW_TITLE } from "./components.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { failureOf, RefusedHere } from "./failures.ts";

/** Asks whether the selected members are to be evicted or banned, and does that one by one. */
export function SelectionDialog(props: {
  domain: string;
  to: "evict" | "ban";
  members: readonly Member[];
  /** Told how many it was done to: some, too, if others failed and the operator gave up. */
  onClose: (done: number) => void;
}) {
  const { domain, to, members, onClose } = props;
  const { operator } = useConsole();
  const [reason, setReason] = useState("");
  const [left, setLeft] = useState(members);
  const act = async () => {
    const failed: Member[] = [];
    let why = "";
    for (const member of left) {
      try {
        if (to === "evict") await operator.domain(domain).evict(member.handle);
        else await operator.domain(domain).ban(member.handle, reason);
      } catch (thrown) {
        // It left meanwhile.
        if (thrown instanceof OperatorError && thrown.error === "NOT_FOUND") continue;
        failed.push(member);
        why = failureOf(thrown).title;
      }
    }
    setLeft(failed);
    if (failed.length === 0) return;
    const names = failed.map(({ name, machineGuid }) => name ?? machineGuid).join(", ");
    throw new RefusedHere(`${failed.length} of ${left.length} failed: ${why}`, `Still members: ${names}.`);
  };
  const count = countText(left.length);
  return (
    <Dialog
      title={to === "evict" ? `Evict ${count}?` : `Ban ${count}?`}
      action={to === "evict" ? "Evict" : "Ban"}
      danger
      fields={["reason"]}
      thenFocus={VIEW_TITLE}
      work={act}
      onClose={(done) => onClose(done ? members.length : members.length - left.length)}
    >
      {({ failure }) => (
        <>
          <p>
            {left.length === 1 ? "It" : "They"} will be no {left.length === 1 ? "member" : "members"} any more, and a
            new key becomes due.{" "}
            {to === "evict"
              ? "They keep the keys they have, and may join again: ban them if they must not."
              : "Neither they nor their device keys may come back."}
          </p>
          <ul class="names">
            {left.map(({ deviceId, name, machineGuid }) => (
              <li key={deviceId}>{name ?? <code>{machineGuid}</code>}</li>
            ))}
          </ul>
          {to === "ban" && (
            <Field
              label="Reason"
              hint="For readers of the log. The devices do not learn it."
              fault={failure?.fields.reason}
              control={(attributes) => (
                <textarea
                  {...attributes}
                  required
                  maxLength={500}
                  rows={3}
                  value={reason}
                  onInput={(event) => setReason(event.currentTarget.value)}
                />
              )}
            />
          )}
        </>
      )}
    </Dialog>
  );
}

/** So many devices. */
export function countText(count: number): string {
  return count === 1 ? "1 device" : `${count} devices`;
}
