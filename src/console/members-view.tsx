import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Member, OperatorError } from "../operator/index.ts";
import { BanDialog } from "./ban-dialog.tsx";
import { Button, FailureNotice, Field, PagedList, VIEW_TITLE } from "./components.tsx";
import { useConsole } from "./context.ts";
import { CopyButton } from "./copy-button.tsx";
import { Dialog } from "./dialog.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { RefusedHere } from "./failures.ts";
import { useAction, usePages } from "./hooks.ts";
import { hashOf } from "./routes.ts";
import { countText, SelectionDialog } from "./selection-dialog.tsx";
import { Day, Time } from "./times.tsx";

/** The devices of a domain: to look through, to find by machine GUID, to evict and to ban, one or many at a time. */
export function MembersView({ overview, selection, refresh }: DomainViewProps) {
  const { operator, say } = useConsole();
  const { domain } = overview;
  const [order, setOrder] = useState<Order>("as they come");
  const list = usePages(() => operator.domain(domain).members(), [operator, domain]);
  const [found, setFound] = useState<Member | null>(null);
  const [asked, setAsked] = useState<Readonly<{ to: "evict" | "ban"; member: Member }> | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [askedOfAll, setAskedOfAll] = useState<"evict" | "ban" | null>(null);
  const selected = (list.value ?? []).filter(({ deviceId }) => chosen.has(deviceId));
  const removed = (sentence: string) => {
    setFound(null);
    setChosen(new Set());
    say(sentence);
    list.reload();
    refresh();
  };
  const row = (member: Member, select: ComponentChildren = null) => (
    <MemberRow
      key={member.deviceId}
      domain={domain}
      member={member}
      select={select}
      onEvict={() => setAsked({ to: "evict", member })}
      onBan={() => setAsked({ to: "ban", member })}
    />
  );
  return (
    <>
      <Finder key={selection.device} domain={domain} device={selection.device} onFound={setFound} />
      {found && (
        <ul class="rows found" aria-label="Found">
          {row(found)}
        </ul>
      )}
      {list.value && list.value.length > 0 && (
        <Toolbar
          order={order}
          onOrder={list.more ? null : setOrder}
          members={list.value}
          selected={selected}
          onSelect={(all) => setChosen(new Set(all ? list.value?.map(({ deviceId }) => deviceId) : []))}
          onAsk={setAskedOfAll}
        />
      )}
      <PagedList
        list={{ ...list, value: list.value && sorted(list.value, order) }}
        label="Members"
        empty="The domain has no members. Devices join by themselves; under “Try it”, this browser can."
        item={(member) =>
          row(
            member,
            <input
              type="checkbox"
              aria-label={`Select ${calledOf(member)}`}
              checked={chosen.has(member.deviceId)}
              onChange={(event) => setChosen(changed(chosen, member.deviceId, event.currentTarget.checked))}
            />,
          )
        }
      />
      {askedOfAll && (
        <SelectionDialog
          domain={domain}
          to={askedOfAll}
          members={selected}
          onClose={(done) => {
            setAskedOfAll(null);
            if (done > 0) removed(`${countText(done)} ${done === 1 ? "is" : "are"} ${PAST[askedOfAll]}.`);
          }}
        />
      )}
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
            <code>{asked.member.machineGuid}</code> will no longer be a member, and a new key becomes due. It keeps the
            keys it has, and may join again: ban it if it must not.
          </p>
        </Dialog>
      )}
      {asked?.to === "ban" && (
        <BanDialog
          domain={domain}
          device={asked.member}
          onClose={(done) => {
            setAsked(null);
            if (done) removed("The device is banned. It is no longer a member, and may not come back.");
          }}
        />
      )}
    </>
  );
}

const PAST = { evict: "evicted", ban: "banned" } as const;

function changed(chosen: ReadonlySet<string>, deviceId: string, isChosen: boolean): ReadonlySet<string> {
  const others = [...chosen].filter((each) => each !== deviceId);
  return new Set(isChosen ? [...others, deviceId] : others);
}

/** The orders of members: the server's own, or another once all of them are there. */
const ORDERS = {
  "as they come": () => 0,
  "by name": (a: Member, b: Member) => calledOf(a).localeCompare(calledOf(b)),
  "newest first": (a: Member, b: Member) => b.joinedAt.localeCompare(a.joinedAt),
  "idle longest first": (a: Member, b: Member) => a.lastRenewedOn.localeCompare(b.lastRenewedOn),
} as const;

type Order = keyof typeof ORDERS;

function sorted(members: readonly Member[], order: Order): readonly Member[] {
  return [...members].sort(ORDERS[order]);
}

/** The order of the members, and actions on the selected ones. */
function Toolbar(props: {
  order: Order;
  /** Null while not all members are there to be put in order. */
  onOrder: ((order: Order) => void) | null;
  members: readonly Member[];
  selected: readonly Member[];
  onSelect: (all: boolean) => void;
  onAsk: (to: "evict" | "ban") => void;
}) {
  const { order, onOrder, members, selected, onSelect, onAsk } = props;
  return (
    <div class="selection">
      <label>
        <input
          type="checkbox"
          checked={selected.length === members.length}
          onChange={(event) => onSelect(event.currentTarget.checked)}
        />
        Select all shown
      </label>
      <label class="order" title={onOrder ? undefined : "Show all members first, by “More”."}>
        Order{" "}
        <select disabled={!onOrder} value={order} onChange={(event) => onOrder?.(event.currentTarget.value as Order)}>
          {Object.keys(ORDERS).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      {selected.length > 0 && (
        <>
          <span class="muted">{countText(selected.length)} selected</span>
          <Button needs="domains:evict" onClick={() => onAsk("evict")}>
            Evict selected…
          </Button>
          <Button kind="danger" needs="domains:evict" onClick={() => onAsk("ban")}>
            Ban selected…
          </Button>
        </>
      )}
    </div>
  );
}

/** The name of a member. */
function calledOf({ name, machineGuid }: Member): string {
  return name ?? machineGuid;
}

/**
 * Finds one member: by the id that the log calls it by, or by its whole GUID, which is a secret and so not in the URL.
 *
 * @param device the id to find at once
 */
function Finder(props: { domain: string; device?: string | undefined; onFound: (member: Member | null) => void }) {
  const { domain, device, onFound } = props;
  const { operator } = useConsole();
  const [guid, setGuid] = useState(device ?? "");
  const find = useAction();
  const search = () => {
    onFound(null);
    find.run(async () => {
      try {
        onFound(await operator.domain(domain).member(guid.trim()));
      } catch (thrown) {
        if (!(thrown instanceof OperatorError) || thrown.error !== "NOT_FOUND") throw thrown;
        throw new RefusedHere(
          "No member of this domain has this GUID or id",
          "The device may have left. Look under Bans.",
        );
      }
    });
  };
  useEffect(() => {
    if (device) search();
  }, []);
  return (
    <search>
      <form
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          search();
        }}
      >
        <Field
          label="Find by machine GUID or id"
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

function MemberRow(props: {
  domain: string;
  member: Member;
  select: ComponentChildren;
  onEvict: () => void;
  onBan: () => void;
}) {
  const { domain, member, select, onEvict, onBan } = props;
  const { machineGuid, name, deviceId, joinedAt, lastRenewedOn, hasDeviceKey } = member;
  return (
    <li class="row device-row">
      <div class="row-title">
        {select} {name !== null && <span class="device-name">{name} </span>}
        <code>{machineGuid}</code>
        <span class="muted">
          in the log as{" "}
          <a href={hashOf({ page: "domain", domain, view: "log", selection: { device: deviceId } })}>
            <code>{deviceId}</code>
          </a>{" "}
          <CopyButton text={deviceId} what="the id" />
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
        <Button needs="domains:evict" label={`Evict ${machineGuid}`} onClick={onEvict}>
          Evict…
        </Button>
        <Button kind="danger" needs="domains:evict" label={`Ban ${machineGuid}`} onClick={onBan}>
          Ban…
        </Button>
      </div>
    </li>
  );
}
