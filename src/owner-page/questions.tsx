import { useState } from "preact/hooks";
import { Field } from "../console/components.tsx";
import { Dialog } from "../console/dialog.tsx";
import { nameOf } from "./device-row.tsx";
import type { OwnedDevice, OwnerServer } from "./owner-server.ts";

/** Properties of every question. */
type Question = Readonly<{
  server: OwnerServer;
  domain: string;
  /** The id of what gets the focus once it is done. */
  thenFocus: string;
  /** Told what was done, in a sentence; null if nothing was. */
  onClose: (outcome: string | null) => void;
}>;

type OnDevice = Question & Readonly<{ device: OwnedDevice }>;

/** Asks for a device's new name. */
export function RenamingDialog({ server, domain, device, onClose }: OnDevice) {
  const [name, setName] = useState(device.name ?? "");
  return (
    <Dialog
      title={`Rename ${nameOf(device)}`}
      action="Rename"
      work={() => server.rename(domain, device, name.trim())}
      onClose={(done) => onClose(done ? `The device is called ${name.trim()} now.` : null)}
    >
      <Field
        label="Name"
        control={(attributes) => (
          <input
            {...attributes}
            required
            maxLength={64}
            autocomplete="off"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      />
    </Dialog>
  );
}

/** Asks whether a device is to be removed. */
export function RemovalDialog({ server, domain, device, thenFocus, onClose }: OnDevice) {
  const name = nameOf(device);
  return (
    <Dialog
      title={`Remove ${name}?`}
      action="Remove"
      danger
      thenFocus={thenFocus}
      work={() => server.remove(domain, device)}
      onClose={(done) => onClose(done ? `${name} is removed.` : null)}
    >
      <p>It keeps what it has, and opens nothing new from now on. It may join again with your sign-in.</p>
    </Dialog>
  );
}

/** Asks which one device stays, and removes all others. */
export function RemoveAllDialog(props: Question & Readonly<{ devices: readonly OwnedDevice[] }>) {
  const { server, domain, devices, thenFocus, onClose } = props;
  const [stays, setStays] = useState("");
  return (
    <Dialog
      title="Remove all other devices?"
      action="Remove all others"
      danger
      thenFocus={thenFocus}
      work={() => server.removeAll(domain, stays === NONE ? undefined : stays)}
      onClose={(done) =>
        onClose(done ? (stays === NONE ? "All devices are removed." : "All others are removed.") : null)
      }
    >
      <p>They keep what they have, and open nothing new from now on. They may join again with your sign-in.</p>
      <Field
        label="The one that stays"
        control={(attributes) => (
          <select {...attributes} required value={stays} onChange={(event) => setStays(event.currentTarget.value)}>
            <option value="">Choose…</option>
            {devices.map((device) => (
              <option key={device.deviceId} value={device.handle}>
                {nameOf(device)}
              </option>
            ))}
            <option value={NONE}>None: remove all devices</option>
          </select>
        )}
      />
    </Dialog>
  );
}

/** No handle. */
const NONE = "none";
