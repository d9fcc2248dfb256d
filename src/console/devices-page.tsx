import { useRef, useState } from "preact/hooks";
import type { Device, ServerWideBan } from "../operator/index.ts";
import { Button, FailureNotice, Field, Heading, PagedList } from "./components.tsx";
import { useConsole } from "./context.ts";
import { DeviceDialog, type Question } from "./device-dialog.tsx";
import { useAction, usePages } from "./hooks.ts";
import { hashOf } from "./routes.ts";
import { Time } from "./times.tsx";

/** The id of the page's heading. */
const TITLE = "devices-title";

/** A device in all its domains, found by its machine GUID, and the devices that are kept out of all domains. */
export function DevicesPage() {
  const { operator, arrived, say } = useConsole();
  const [found, setFound] = useState<Device | null>(null);
  /** The latest search. */
  const search = useRef<Readonly<{ guid: string }> | null>(null);
  const [asked, setAsked] = useState<Readonly<{ to: Question; device: Device | ServerWideBan }> | null>(null);
  const bans = usePages(() => operator.deviceBans(), [operator]);
  const find = async (guid: string) => {
    const own = { guid };
    search.current = own;
    setFound(null);
    const device = await operator.device(guid).overview();
    // Unless another search has begun.
    if (search.current === own) setFound(device);
  };
  const close = (sentence: string | null) => {
    setAsked(null);
    if (sentence === null) return;
    say(sentence);
    bans.reload();
    if (search.current) find(search.current.guid).catch(() => {});
  };
  return (
    <>
      <Heading level={1} id={TITLE} arrived={arrived}>
        Devices
      </Heading>
      <Finder onSearch={find} />
      {found && <FoundDevice key={found.handle} device={found} onAsk={(to) => setAsked({ to, device: found })} />}
      <h2>Banned from all domains</h2>
      <PagedList
        list={bans}
        label="Devices that are banned from all domains"
        empty="No device is banned from all domains."
        item={(ban) => <BanRow key={ban.handle} ban={ban} onUnban={() => setAsked({ to: "unban", device: ban })} />}
      />
      {asked && <DeviceDialog to={asked.to} device={asked.device} thenFocus={TITLE} onClose={close} />}
    </>
  );
}

/** Finds a device by its whole GUID, which is a secret: so it is not in the URL. */
function Finder({ onSearch }: { onSearch: (guid: string) => Promise<void> }) {
  const [guid, setGuid] = useState("");
  const find = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    find.run(() => onSearch(guid.trim()));
  };
  return (
    <search>
      <form class="search" onSubmit={submit}>
        <Field
          label="Find by machine GUID"
          fault={find.failure?.fields.machineGuid}
          control={(attributes) => (
            <input
              {...attributes}
              required
              autocomplete="off"
              spellcheck={false}
              placeholder="6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77"
              value={guid}
              onInput={(event) => setGuid(event.currentTarget.value)}
            />
          )}
        />
        <Button type="submit" busy={find.busy}>
          Find
        </Button>
      </form>
      <FailureNotice failure={find.failure} fields={["machineGuid"]} />
    </search>
  );
}

function FoundDevice({ device, onAsk }: { device: Device; onAsk: (to: Question) => void }) {
  const { operator } = useConsole();
  const { handle, machineGuid, ban } = device;
  const domains = usePages(() => operator.device(handle).domains(), [operator, handle]);
  const isMember = (domains.value?.length ?? 0) > 0;
  return (
    <section class="card" aria-label="Found">
      <h2>
        <code>{machineGuid}</code>
      </h2>
      {ban && (
        <p>
          Banned from all domains <Time at={ban.bannedAt} /> by {ban.bannedBy}: <q class="reason">{ban.reason}</q>
        </p>
      )}
      <PagedList
        list={domains}
        label="Domains of the device"
        empty="It is a member of no domain."
        item={({ domain, joinedAt, hasDeviceKey }) => (
          <li key={domain} class="row device-row">
            <a class="row-title name" href={hashOf({ page: "domain", domain, view: "members" })}>
              {domain}
            </a>
            <div class="row-facts">
              <span>
                joined <Time at={joinedAt} />
              </span>
              <span>{hasDeviceKey ? "signs its requests" : "does not sign"}</span>
            </div>
          </li>
        )}
      />
      <div class="buttons">
        {isMember && (
          <Button needs="domains:evict" onClick={() => onAsk("evict")}>
            Evict from all domains…
          </Button>
        )}
        {ban ? (
          <Button needs="domains:evict" onClick={() => onAsk("unban")}>
            Lift the ban…
          </Button>
        ) : (
          <Button kind="danger" needs="domains:evict" onClick={() => onAsk("ban")}>
            Ban from all domains…
          </Button>
        )}
      </div>
    </section>
  );
}

function BanRow({ ban, onUnban }: { ban: ServerWideBan; onUnban: () => void }) {
  const { machineGuid, reason, bannedAt, bannedBy, hasDeviceKey } = ban;
  return (
    <li class="row device-row">
      <div class="row-title">
        <code>{machineGuid}</code>
        <p class="reason">{reason}</p>
      </div>
      <div class="row-facts">
        <span>
          banned <Time at={bannedAt} />
        </span>
        <span>by {bannedBy}</span>
        {hasDeviceKey && <span>its keys as well</span>}
      </div>
      <div class="row-actions">
        <Button needs="domains:evict" label={`Lift the ban of ${machineGuid}`} onClick={onUnban}>
          Lift…
        </Button>
      </div>
    </li>
  );
}
