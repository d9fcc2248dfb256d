import { useState } from "preact/hooks";
import type { RolloverTime } from "./admin-api.ts";
import type { KeyVersion } from "./admin-types.ts";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { usePages } from "./loading.ts";
import { Button, PagedList } from "./parts.tsx";
import { Time } from "./times.tsx";

const TIMES: Readonly<Record<RolloverTime, Readonly<{ label: string; hint: string; done: string }>>> = {
  now: {
    label: "Now",
    hint: "There is a new key at once. Members get it when they renew.",
    done: "There is a new key. Members get it when they renew.",
  },
  "next-registration": {
    label: "At the next registration",
    hint: "Until then there is no key to encrypt to.",
    done: "The next registration makes a new key. Until then there is none to encrypt to.",
  },
};

/** The keys of a domain, newest first, and how to make a new one. */
export function KeysView({ overview, refresh }: DomainViewProps) {
  const { api } = useConsole();
  const { domain, keyVersion, keyRolloverRequired } = overview;
  const list = usePages((cursor, signal) => api.keys(domain, cursor, signal), [api, domain, keyVersion]);
  const [asking, setAsking] = useState(false);
  return (
    <>
      {keyRolloverRequired && (
        <p class="notice">
          {keyVersion === 0
            ? "There is no key yet: the first registration makes it."
            : "A rollover is due: nobody should encrypt to the newest key. The next registration makes a new one."}
        </p>
      )}
      <div class="buttons">
        <Button kind="primary" onClick={() => setAsking(true)}>
          Roll over…
        </Button>
      </div>
      <PagedList
        list={list}
        label="Keys"
        empty="There is no key yet."
        item={(key) => (
          <KeyRow key={key.keyVersion} {...key} current={key.keyVersion === keyVersion && !keyRolloverRequired} />
        )}
      />
      {asking && <Rollover domain={domain} onClose={() => setAsking(false)} refresh={refresh} />}
    </>
  );
}

function Rollover({ domain, onClose, refresh }: { domain: string; onClose: () => void; refresh: () => void }) {
  const { api, say } = useConsole();
  const [when, setWhen] = useState<RolloverTime>("now");
  const close = (done: boolean) => {
    onClose();
    if (!done) return;
    say(TIMES[when].done);
    refresh();
  };
  const work = async () => {
    await api.rollOver(domain, when);
  };
  return (
    <Dialog title="Roll over the key" action="Roll over" work={work} onClose={close}>
      <fieldset>
        <legend>When</legend>
        {(Object.keys(TIMES) as RolloverTime[]).map((each) => (
          <label key={each} class="choice">
            <input type="radio" name="when" checked={each === when} onChange={() => setWhen(each)} />
            <span>
              {TIMES[each].label}
              <span class="hint">{TIMES[each].hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}

function KeyRow({ keyVersion, createdAt, kid, current }: KeyVersion & { current: boolean }) {
  return (
    <li class="row key-row">
      <span class="number">{keyVersion}</span>
      <div class="row-title">
        <code>{kid}</code>
        <span class="muted">
          made <Time at={createdAt} />
        </span>
      </div>
      {current && <span class="label good">Current</span>}
    </li>
  );
}
