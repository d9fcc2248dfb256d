import type { ComponentChildren } from "preact";
import { ActivityChart } from "./activity-chart.tsx";
import { DomainLag } from "./database-lag.tsx";
import type { DomainViewProps } from "./domain-page.tsx";
import { rolloverText } from "./status.tsx";
import { Time } from "./times.tsx";

/** A domain at a glance: its figures, who came and went, and what was refused. */
export function OverviewView({ overview }: DomainViewProps) {
  const { domain, memberCount, maxMembership, keyVersion, revision, createdAt, updatedAt } = overview;
  return (
    <>
      <dl class="figures">
        <Figure name="Members" note={maxMembership === null ? "no maximum" : `of ${maxMembership} at most`}>
          {memberCount}
        </Figure>
        <Figure
          name="Key version"
          note={overview.keyRolloverRequired ? rolloverText(overview).toLowerCase() : "current"}
        >
          {keyVersion}
        </Figure>
        <Figure name="Revision" note={<Time at={updatedAt} />}>
          {revision}
        </Figure>
      </dl>
      <ActivityChart domain={domain} revision={revision} />
      <p class="muted">
        Created <Time at={createdAt} />. <DomainLag {...overview} />
      </p>
    </>
  );
}

function Figure({ name, children, note }: { name: string; children: number; note: ComponentChildren }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <span class="number">{children.toLocaleString()}</span>
        <span class="muted">{note}</span>
      </dd>
    </div>
  );
}
