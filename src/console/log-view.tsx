import type { LogEntry } from "../operator/index.ts";
import { CHANGE_TYPES, ChangeSentence, DomainOfLog, toneOf } from "./changes.tsx";
import { Button, FailureNotice, Field, PagedList } from "./components.tsx";
import { useConsole } from "./context.ts";
import type { DomainViewProps } from "./domain-page.tsx";
import { saveAsFile } from "./downloads.ts";
import { useAction, usePages } from "./hooks.ts";
import { goTo, hashOf, type Selection } from "./routes.ts";
import { dayOf, Time } from "./times.tsx";

/** The log of a domain, newest first: all of it, or what concerns one device or one type of change. */
export function LogView({ overview: { domain, revision }, selection }: DomainViewProps) {
  const { operator } = useConsole();
  const { device } = selection;
  const type = CHANGE_TYPES.find((each) => each === selection.type);
  const list = usePages(
    () => operator.domain(domain).log({ type, deviceId: device }),
    [operator, domain, type, device],
    revision,
  );
  const entries = list.value ?? [];
  const beginsDay = (entry: LogEntry) => {
    const before = entries[entries.indexOf(entry) - 1];
    return !before || dayOf(before.committedAt) !== dayOf(entry.committedAt);
  };
  const isNarrowed = device !== undefined || type !== undefined;
  const noMatches = list.more ? "No matching entries on this page. “More” searches further." : "No matching entries.";
  return (
    <DomainOfLog.Provider value={domain}>
      <Filters domain={domain} selection={selection} />
      <PagedList
        list={list}
        label="Log"
        ordered
        empty={isNarrowed ? noMatches : "Nothing has happened yet."}
        item={(entry) => (
          <li key={entry.revision}>
            {beginsDay(entry) && <h3 class="day">{dayOf(entry.committedAt)}</h3>}
            <Entry {...entry} />
          </li>
        )}
      />
    </DomainOfLog.Provider>
  );
}

/** The filter of the log, and a button that saves all of it. */
function Filters({ domain, selection }: { domain: string; selection: Selection }) {
  const { operator, say } = useConsole();
  const saving = useAction();
  const narrow = (part: Selection) =>
    goTo({ page: "domain", domain, view: "log", selection: { ...selection, ...part } });
  const save = () =>
    saving.run(async () => {
      const lines: string[] = [];
      for await (const line of operator.domain(domain).exportLog()) lines.push(JSON.stringify(line));
      saveAsFile(`${domain}-log.jsonl`, "application/jsonl", `${lines.join("\n")}\n`);
      say(`The log is saved: ${lines.length === 1 ? "1 entry" : `${lines.length} entries`}.`);
    });
  return (
    <div class="filters">
      <Field
        label="Changes"
        control={(attributes) => (
          <select
            {...attributes}
            value={selection.type ?? ""}
            onChange={(event) => narrow({ type: event.currentTarget.value || undefined })}
          >
            <option value="">of every type</option>
            {CHANGE_TYPES.map((each) => (
              <option key={each} value={each}>
                {each.replaceAll("-", " ")}
              </option>
            ))}
          </select>
        )}
      />
      {selection.device && (
        <p class="chosen">
          of the device <code>{selection.device}</code>{" "}
          <a href={hashOf({ page: "domain", domain, view: "log", selection: { type: selection.type } })}>
            Show all devices
          </a>
        </p>
      )}
      <Button busy={saving.busy} onClick={save}>
        Save the whole log
      </Button>
      <FailureNotice failure={saving.failure} />
    </div>
  );
}

function Entry({ revision, committedAt, changes, hash }: LogEntry) {
  return (
    <article class="entry" aria-label={`Revision ${revision}`}>
      <p class="entry-head">
        <span class="revision">{revision}</span> <Time at={committedAt} part="clock" />
        <code class="hash" title={hash}>
          {hash.slice(0, 10)}
        </code>
      </p>
      <ul class="changes">
        {changes.map((change, index) => (
          <li key={index} class={toneOf(change)}>
            <ChangeSentence change={change} />
          </li>
        ))}
      </ul>
    </article>
  );
}
