import { useState } from "preact/hooks";
import type { FailedDomain, OperatedDevice } from "../operator/index.ts";
import { ReasonField } from "./components.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { RefusedHere } from "./failures.ts";

/** Actions on a device in all its domains. */
export type Question = "evict" | "ban" | "unban";

const WORDS = {
  evict: {
    title: "Evict this device from all domains?",
    action: "Evict",
    text: "will be a member of none of its domains, and each gets a new key. It may join again.",
    done: "The device is evicted from all its domains.",
  },
  ban: {
    title: "Ban this device from all domains?",
    action: "Ban",
    text: "will be a member of none of its domains, and neither it nor its keys may join any, now and later.",
    done: "The device is banned from all domains.",
  },
  unban: {
    title: "Lift this ban?",
    action: "Lift the ban",
    text: "may join domains again, by the rules that hold for every device.",
    done: "The ban is lifted. The device may join again.",
  },
} as const;

/** Asks whether something is to be done to a device in all its domains, and does it as far as it reaches. */
export function DeviceDialog(props: {
  to: Question;
  device: Readonly<{ handle: string; machineGuid: string }>;
  /** The id of what gets the focus once it is done. */
  thenFocus: string;
  /** Told what was done, in a sentence; null if nothing was. */
  onClose: (outcome: string | null) => void;
}) {
  const { to, device, thenFocus, onClose } = props;
  const { operator } = useConsole();
  const [reason, setReason] = useState("");
  const { title, action, text, done: outcome } = WORDS[to];
  const reach = async (operated: OperatedDevice) => {
    if (to === "evict") {
      const { evicted, ...run } = await operated.evict();
      return { ...run, done: evicted };
    }
    if (to === "ban") {
      const { banned, ...run } = (await operated.ban(reason)).domains;
      return { ...run, done: banned };
    }
    const { lifted, ...run } = (await operated.unban()).domains;
    return { ...run, done: lifted };
  };
  const act = async (stop: AbortSignal) => {
    const operated = operator.device(device.handle);
    // One request reaches so many domains. The database, which knows them, may be behind and name them again.
    const reached = new Set<string>();
    for (;;) {
      const before = reached.size;
      const { failed, more, done } = await reach(operated);
      if (failed.length > 0) throw new RefusedHere("Some domains were not reached", `Try again: ${namesOf(failed)}.`);
      for (const domain of done) reached.add(domain);
      if (!more) return;
      if (stop.aborted || reached.size === before) {
        throw new RefusedHere("Some domains may be left", `Reached so far: ${reached.size}. Try again in a moment.`);
      }
    }
  };
  return (
    <Dialog
      title={title}
      action={action}
      danger={to !== "unban"}
      fields={["reason"]}
      thenFocus={thenFocus}
      work={act}
      stoppable
      onClose={(isDone) => onClose(isDone ? outcome : null)}
    >
      {({ failure }) => (
        <>
          <p>
            <code>{device.machineGuid}</code> {text}
          </p>
          {to === "ban" && (
            <ReasonField
              hint="For other operators to read. The device does not learn it."
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

function namesOf(failed: readonly FailedDomain[]): string {
  return failed.map(({ domain }) => domain).join(", ");
}
