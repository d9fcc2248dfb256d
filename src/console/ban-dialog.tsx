import { useState } from "preact/hooks";
import { Field, ReasonField, VIEW_TITLE } from "./components.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";

/** Asks why a device is banned, and for its GUID if it is not known yet which one it is. */
export function BanDialog(props: {
  domain: string;
  device: Readonly<{ handle: string; machineGuid: string }> | null;
  onClose: (done: boolean) => void;
}) {
  const { domain, device, onClose } = props;
  const { operator } = useConsole();
  const [guid, setGuid] = useState("");
  const [reason, setReason] = useState("");
  const ban = () => operator.domain(domain).ban(device?.handle ?? guid.trim(), reason);
  return (
    <Dialog
      title={device ? "Ban this device?" : "Ban a device"}
      action="Ban"
      danger
      fields={["machineGuid", "reason"]}
      thenFocus={VIEW_TITLE}
      work={ban}
      onClose={onClose}
    >
      {({ failure }) => (
        <>
          {device ? (
            <p>
              <code>{device.machineGuid}</code> will no longer be a member, and neither it nor its device key may come
              back.
            </p>
          ) : (
            <Field
              label="Machine GUID"
              hint="It need not be a member. A member is evicted."
              fault={failure?.fields.machineGuid}
              control={(attributes) => (
                <input
                  {...attributes}
                  required
                  autocomplete="off"
                  spellcheck={false}
                  value={guid}
                  onInput={(event) => setGuid(event.currentTarget.value)}
                />
              )}
            />
          )}
          <ReasonField
            hint="For readers of the log. The device does not learn it."
            fault={failure?.fields.reason}
            value={reason}
            onInput={setReason}
          />
        </>
      )}
    </Dialog>
  );
}
