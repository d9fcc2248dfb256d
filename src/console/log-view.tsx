import type { LogEntry } from "../operator/index.ts";
import { ChangeSentence, toneOf } from "./changes.tsx";
import { useConsole } from "./context.ts";
import type { DomainViewProps } from "./domain-page.tsx";
import { usePages } from "./loading.ts";
import { PagedList } from "./parts.tsx";
import { dayOf, Time } from "./times.tsx";

/** The log of a domain, newest first. */
export function LogView({ overview: { domain, revision } }: DomainViewProps) {
  const { operator } = useConsole();
  const list = usePages(() => operator.domain(domain).log(), [operator, domain], revision);
  const entries = list.value ?? [];
  const beginsDay = (entry: LogEntry) => {
    const before = entries[entries.indexOf(entry) - 1];
    return !before || dayOf(before.committedAt) !== dayOf(entry.committedAt);
  };
  return (
    <PagedList
      list={list}
      label="Log"
      ordered
      empty="Nothing has happened yet."
      item={(entry) => (
        <li key={entry.revision}>
          {beginsDay(entry) && <h3 class="day">{dayOf(entry.committedAt)}</h3>}
          <Entry {...entry} />
        </li>
      )}
    />
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
