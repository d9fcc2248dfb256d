import { useEffect, useState } from "preact/hooks";
import { Button, FailureNotice, Heading, PagedList, Progress } from "../console/components.tsx";
import { useLoaded, usePages } from "../console/hooks.ts";
import { DeviceRow } from "./device-row.tsx";
import type { DeviceCount, OwnedDevice, OwnerServer } from "./owner-server.ts";
import { RemovalDialog, RemoveAllDialog, RenamingDialog } from "./questions.tsx";

/** The id of the page's heading. */
const TITLE = "title";

type Props = Readonly<{
  server: OwnerServer;
  /** Null for that of the owner who is signed in. */
  domain: string | null;
  /** Whether the browser comes from the issuer, so that the focus goes to the heading. */
  arrived: boolean;
  /** Tells the owner that something was done. */
  say: (outcome: string) => void;
}>;

/** The devices of the domain that the page was opened for, or of the owner who is signed in. */
export function DevicesPage({ domain, ...props }: Props) {
  const found = useLoaded(async (signal) => domain ?? props.server.ownDomain({ signal }), [domain, props.server]);
  return (
    <>
      <Heading level={1} id={TITLE} arrived={props.arrived}>
        Your devices
      </Heading>
      {found.value !== null && <Devices {...props} domain={found.value} />}
      {found.busy && <Progress />}
      <FailureNotice failure={found.failure} />
      {found.failure && <RetryButton onClick={found.reload} />}
    </>
  );
}

type Asked = Readonly<{ about: "name" | "removal"; device: OwnedDevice }> | "all" | null;

function Devices({ server, domain, say }: Props & { domain: string }) {
  const [count, setCount] = useState<DeviceCount | null>(null);
  const [asked, setAsked] = useState<Asked>(null);
  const list = usePages(() => server.devices(domain, setCount), [server, domain]);
  useEffect(() => {
    document.title = `Your devices – ${domain}`;
  }, [domain]);
  const close = (sentence: string | null) => {
    setAsked(null);
    if (sentence === null) return;
    say(sentence);
    list.reload();
  };
  const question = { server, domain, onClose: close, thenFocus: TITLE };
  const devices = list.value ?? [];
  return (
    <>
      <p class="lead">
        <span class="name">{domain}</span>
        {count && <>: {countText(count)}</>}
      </p>
      <PagedList
        list={list}
        label="Devices"
        empty="No device yet. A device appears here once it has joined."
        item={(device) => (
          <DeviceRow
            key={device.deviceId}
            device={device}
            onRename={() => setAsked({ about: "name", device })}
            onRemove={() => setAsked({ about: "removal", device })}
          />
        )}
      />
      {devices.length > 1 && (
        <div class="buttons">
          <Button kind="danger" onClick={() => setAsked("all")}>
            Remove all others…
          </Button>
        </div>
      )}
      {asked === "all" && <RemoveAllDialog {...question} devices={devices} />}
      {asked !== null && asked !== "all" && asked.about === "name" && (
        <RenamingDialog {...question} device={asked.device} />
      )}
      {asked !== null && asked !== "all" && asked.about === "removal" && (
        <RemovalDialog {...question} device={asked.device} />
      )}
    </>
  );
}

function RetryButton({ onClick }: { onClick: () => void }) {
  return (
    <div class="buttons">
      <Button onClick={onClick}>Try again</Button>
    </div>
  );
}

function countText({ memberCount, maxMembership }: DeviceCount): string {
  if (maxMembership !== null) return `${memberCount} of ${maxMembership} devices`;
  return memberCount === 1 ? "1 device" : `${memberCount} devices`;
}
