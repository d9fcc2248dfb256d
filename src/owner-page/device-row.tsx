import { Button } from "../console/components.tsx";
import { Day, Time } from "../console/times.tsx";
import type { OwnedDevice } from "./owner-server.ts";

/** A device in the list, with what its owner may do about it. */
export function DeviceRow(props: { device: OwnedDevice; onRename: () => void; onRemove: () => void }) {
  const { device, onRename, onRemove } = props;
  const name = nameOf(device);
  return (
    <li class="row device-row">
      <div class="row-title">
        <span class={device.name === null ? "muted" : "device-name"}>{name}</span>
      </div>
      <div class="row-facts">
        <span>
          joined <Time at={device.joinedAt} />
        </span>
        <span>
          last renewed <Day day={device.lastRenewedOn} />
        </span>
      </div>
      <div class="row-actions">
        <Button label={`Rename ${name}`} onClick={onRename}>
          Rename…
        </Button>
        <Button kind="danger" label={`Remove ${name}`} onClick={onRemove}>
          Remove…
        </Button>
      </div>
    </li>
  );
}

/** The name of a device. Devices without a name are told apart by the beginning of their id. */
export function nameOf({ name, deviceId }: OwnedDevice): string {
  return name ?? `Device ${deviceId.slice(0, 6)}`;
}
