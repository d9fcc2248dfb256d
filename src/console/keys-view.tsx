import { useState } from "preact/hooks";
import type { DomainOverview, KeyVersionRow } from "../operator/index.ts";
import { Button, PagedList } from "./components.tsx";
import { useConsole } from "./context.ts";
import { CopyButton } from "./copy-button.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { useLoaded, usePages } from "./hooks.ts";
import { keysAre, RetirementDialog } from "./retirement-dialog.tsx";
import { RolloverDialog } from "./rollover-dialog.tsx";
import { Time } from "./times.tsx";

/** How much of a thumbprint is shown at first. */
const SHORT_KID = 12;

/** The keys of a domain, newest first, how to make a new one, and how to retire old ones. */
export function KeysView({ overview, refresh }: DomainViewProps) {
  const { operator } = useConsole();
  const { domain, keyVersion, retiredUpTo, revision } = overview;
  const list = usePages(() => operator.domain(domain).keys(), [operator, domain], keyVersion);
  const { value: newestIsCurrent, failure } = useLoaded(
    async (signal) => {
      if (keyVersion === 0) return false;
      const { currentKeyVersion } = await operator.domain(domain).publicKeys({ version: keyVersion, signal });
      return currentKeyVersion === keyVersion;
    },
    [operator, domain],
    revision,
  );
  const [asking, setAsking] = useState<"rollover" | "retirement" | null>(null);
  const close = (done: boolean) => {
    setAsking(null);
    if (done) refresh();
  };
  const labelOf = (version: number) => {
    if (version <= retiredUpTo) return "Retired";
    return version === keyVersion && newestIsCurrent ? "Current" : null;
  };
  return (
    <>
      {(newestIsCurrent !== null || failure) && (
        <RolloverNotice overview={overview} postponed={newestIsCurrent === true} />
      )}
      <div class="buttons">
        <Button kind="primary" needs="domains:write" onClick={() => setAsking("rollover")}>
          Roll over…
        </Button>
        {keyVersion > 1 && (
          <Button needs="domains:write" onClick={() => setAsking("retirement")}>
            Retire old keys…
          </Button>
        )}
      </div>
      {retiredUpTo > 0 && <p class="muted">{keysAre(1, retiredUpTo)} retired: the server hands them out to nobody.</p>}
      <PagedList
        list={list}
        label="Keys"
        empty="There is no key yet."
        item={(key) => <KeyRow key={key.keyVersion} {...key} label={labelOf(key.keyVersion)} />}
      />
      {asking === "rollover" && <RolloverDialog domain={domain} onClose={close} />}
      {asking === "retirement" && <RetirementDialog overview={overview} onClose={close} />}
    </>
  );
}

/** @param postponed whether the newest key is still the one to encrypt to */
function RolloverNotice({ overview, postponed }: { overview: DomainOverview; postponed: boolean }) {
  const { keyVersion, keyRolloverRequired } = overview;
  if (keyVersion === 0) return <p class="notice">There is no key yet: the first device or licence server makes it.</p>;
  if (!keyRolloverRequired) return null;
  if (postponed) {
    return (
      <p class="notice">
        The rollover is postponed by the settings. Until then, a device that left can open what is encrypted to the
        domain. To end that, roll over now.
      </p>
    );
  }
  return (
    <p class="notice">
      A rollover is due: nobody should encrypt to the newest key. The next device or licence server makes a new one.
    </p>
  );
}

function KeyRow({ keyVersion, createdAt, kid, label }: KeyVersionRow & { label: "Current" | "Retired" | null }) {
  return (
    <li class="row key-row">
      <span class={`number ${label === "Retired" ? "retired" : ""}`}>{keyVersion}</span>
      <div class="row-title">
        <details class="kid">
          <summary>
            <span class="muted">kid</span> <code>{kid.slice(0, SHORT_KID)}…</code>
          </summary>
          <code>{kid}</code> <CopyButton text={kid} what="the kid" />
        </details>
        <span class="muted">
          made <Time at={createdAt} />
        </span>
      </div>
      {label && <span class={`label ${label === "Current" ? "good" : ""}`}>{label}</span>}
    </li>
  );
}
