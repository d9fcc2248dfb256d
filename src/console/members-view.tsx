import { useState } from "preact/hooks";
import type { Member } from "../operator/index.ts";
import { BanDialog } from "./ban-dialog.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { useAction, usePages } from "./loading.ts";
import { Button, FailureNotice, Field, PagedList, VIEW_TITLE } from "./parts.tsx";
import { Day, Time } from "./times.tsx";

/** The devices of a domain: to look through, to find by machine GUID, to evict and to ban. */
export function MembersView({ overview, refresh }: DomainViewProps) {
  const { operator, say } = useConsole();
  const { domain } = overview;
  const list = usePages(() => operator.domain(domain).members(), [operator, domain]);
  const [found, setFound] = useState<Member | null>(null);
  const [asked, setAsked] = useState<Readonly<{ to: "evict" | "ban"; member: Member }> | null>(null);
  const removed = (sentence: string) => {
    setFound(null);
    say(sentence);
    list.reload();
    refresh();
  };
  const row = (member: Member) => (
    <MemberRow
      key={member.deviceId}
      member={member}
      onEvict={() => setAsked({ to: "evict", member })}
      onBan={() => setAsked({ to: "ban", member })}
    />
  );
  return (
    <>
      <Finder domain={domain} onFound={setFound} />
      {found && (
        <ul class="rows found" aria-label="Found">
          {row(found)}
        </ul>
      )}
      <PagedList list={list} label="Members" empty="The domain has no members." item={row} />
      {asked?.to === "evict" && (
        <Dialog
          title="Evict this device?"
          action="Evict"
          danger
          thenFocus={VIEW_TITLE}
          work={() => operator.domain(domain).evict(asked.member.handle)}
          onClose={(done) => {
            setAsked(null);
            if (done) removed("The device is evicted. It does not get the next key.");
          }}
        >
          <p>
            <code>{asked.member.machineGuid}</code> is no member any more, and a new key becomes due. It keeps the keys
            it has, and may join again: ban it if it must not.
          </p>
        </Dialog>
      )}
      {asked?.to === "ban" && (
        <BanDialog
          domain={domain}
          device={asked.member}
          onClose={(done) => {
            setAsked(null);
            if (done) removed("The device is banned. It is no member any more, and may not come back.");
          }}
        />
      )}
    </>
  );
}

/** Finds one member by its whole GUID, which is a secret: so it is not in the URL. */
function Finder({ domain, onFound }: { domain: string; onFound: (member: Member | null) => void }) {
  const { operator } = useConsole();
  const [guid, setGuid] = useState("");
  const find = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    onFound(null);
    find.run(async () => onFound(await operator.domain(domain).member(guid.trim())));
  };
  return (
    <search>
      <form class="search" onSubmit={submit}>
        <Field
          label="Find by machine GUID"
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
      <FailureNotice failure={find.failure} />
    </search>
  );
}

function MemberRow({ member, onEvict, onBan }: { member: Member; onEvict: () => void; onBan: () => void }) {
  const { machineGuid, deviceId, joinedAt, lastRenewedOn, hasDeviceKey } = member;
  return (
    <li class="row device-row">
      <div class="row-title">
        <code>{machineGuid}</code>
        <span class="muted">
          in the log as <code>{deviceId}</code>
        </span>
      </div>
      <div class="row-facts">
        <span>
          joined <Time at={joinedAt} />
        </span>
        <span>
          renewed <Day day={lastRenewedOn} />
        </span>
        <span>{hasDeviceKey ? "signs its requests" : "does not sign"}</span>
      </div>
      <div class="row-actions">
        <Button label={`Evict ${machineGuid}`} onClick={onEvict}>
          Evict…
        </Button>
        <Button kind="danger" label={`Ban ${machineGuid}`} onClick={onBan}>
          Ban…
        </Button>
      </div>
    </li>
  );
}
