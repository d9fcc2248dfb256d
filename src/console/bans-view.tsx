import { useState } from "preact/hooks";
import type { Ban } from "../operator/index.ts";
import { BanDialog } from "./ban-dialog.tsx";
import { Button, PagedList, VIEW_TITLE } from "./components.tsx";
import { useConsole } from "./context.ts";
import { CopyButton } from "./copy-button.tsx";
import { Dialog } from "./dialog.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { usePages } from "./hooks.ts";
import { Time } from "./times.tsx";

/** The devices that may not come back. */
export function BansView({ overview, refresh }: DomainViewProps) {
  const { operator, say } = useConsole();
  const { domain } = overview;
  const list = usePages(() => operator.domain(domain).bans(), [operator, domain]);
  const [asked, setAsked] = useState<"ban" | Ban | null>(null);
  const close = (sentence: string) => (done: boolean) => {
    setAsked(null);
    if (!done) return;
    say(sentence);
    list.reload();
    refresh();
  };
  return (
    <>
      <div class="buttons">
        <Button kind="danger" needs="domains:evict" onClick={() => setAsked("ban")}>
          Ban a device…
        </Button>
      </div>
      <PagedList
        list={list}
        label="Bans"
        empty="Nobody is banned."
        item={(ban) => <BanRow key={ban.deviceId} ban={ban} onUnban={() => setAsked(ban)} />}
      />
      {asked === "ban" && <BanDialog domain={domain} device={null} onClose={close("The device is banned.")} />}
      {asked !== null && asked !== "ban" && (
        <Dialog
          title="Lift this ban?"
          action="Lift the ban"
          thenFocus={VIEW_TITLE}
          work={() => operator.domain(domain).unban(asked.handle)}
          onClose={close("The ban is lifted. The device may join again.")}
        >
          <p>
            <code>{asked.machineGuid}</code> may join again, by the rules that hold for every device.
          </p>
        </Dialog>
      )}
    </>
  );
}

function BanRow({ ban, onUnban }: { ban: Ban; onUnban: () => void }) {
  const { machineGuid, deviceId, reason, bannedAt, bannedBy, hasDeviceKey } = ban;
  return (
    <li class="row device-row">
      <div class="row-title">
        <code>{machineGuid}</code>
        <span class="muted">
          in the log as <code>{deviceId}</code> <CopyButton text={deviceId} what="the id" />
        </span>
        <p class="reason">{reason}</p>
      </div>
      <div class="row-facts">
        <span>
          banned <Time at={bannedAt} />
        </span>
        <span>by {bannedBy}</span>
        {hasDeviceKey && <span>its key as well</span>}
      </div>
      <div class="row-actions">
        <Button needs="domains:evict" label={`Lift the ban of ${machineGuid}`} onClick={onUnban}>
          Lift…
        </Button>
      </div>
    </li>
  );
}
