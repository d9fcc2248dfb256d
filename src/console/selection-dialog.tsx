import { useRef, useState } from "preact/hooks";
import { type Member, OperatorError } from "../operator/index.ts";
import { ReasonField, VIEW_TITLE } from "./components.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { failureOf, RefusedHere } from "./failures.ts";

/** Asks whether the selected members are to be evicted or banned, and does that one by one. */
export function SelectionDialog(props: {
  domain: string;
  to: "evict" | "ban";
  members: readonly Member[];
  /** Told how many it was done to: some, if the operator cancelled it, or gave up when others failed. */
  onClose: (done: number) => void;
}) {
  const { domain, to, members, onClose } = props;
  const { operator } = useConsole();
  const [reason, setReason] = useState("");
  const [left, setLeft] = useState(members);
  const done = useRef(0);
  const act = async (stop: AbortSignal) => {
    const remaining = new Set(left);
    const failures: string[] = [];
    for (const member of left) {
      if (stop.aborted) break;
      try {
        if (to === "evict") await operator.domain(domain).evict(member.handle);
        else await operator.domain(domain).ban(member.handle, reason);
      } catch (thrown) {
        // It left meanwhile.
        if (!(thrown instanceof OperatorError) || thrown.error !== "NOT_FOUND") {
          failures.push(failureOf(thrown).title);
          continue;
        }
      }
      remaining.delete(member);
      done.current += 1;
    }
    if (failures.length === 0) return;
    setLeft([...remaining]);
    const names = [...remaining].map(({ name, machineGuid }) => name ?? machineGuid).join(", ");
    throw new RefusedHere(
      `${failures.length} of ${left.length} failed: ${failures.at(-1)}`,
      `Still members: ${names}.`,
    );
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
      stoppable
      onClose={() => onClose(done.current)}
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
            <ReasonField
              hint="For readers of the log. The devices do not learn it."
              fault={failure?.fields.reason}
              value={reason}
              onInput={setReason}
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
