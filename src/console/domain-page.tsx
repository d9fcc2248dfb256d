import type { FunctionComponent } from "preact";
import { useRef } from "preact/hooks";
import type { DomainOverview } from "../operator/index.ts";
import { BansView } from "./bans-view.tsx";
import { Button, FailureNotice, Heading, Progress, VIEW_TITLE } from "./components.tsx";
import { useConsole } from "./context.ts";
import { CopyButton } from "./copy-button.tsx";
import { useLoaded } from "./hooks.ts";
import { KeysView } from "./keys-view.tsx";
import { LogView } from "./log-view.tsx";
import { MembersView } from "./members-view.tsx";
import { OverviewView } from "./overview-view.tsx";
import { hashOf, type Selection, VIEWS, type View } from "./routes.ts";
import { SettingsView } from "./settings-view.tsx";
import { Status } from "./status.tsx";
import { TryView } from "./try-view.tsx";

/** Properties of every view of a domain: `selection` is what it is narrowed to, and `refresh` is called after a view changed the domain. */
export type DomainViewProps = Readonly<{ overview: DomainOverview; selection: Selection; refresh: () => void }>;

const VIEW_COMPONENTS: Readonly<
  Record<View, Readonly<{ title: string; Component: FunctionComponent<DomainViewProps> }>>
> = {
  overview: { title: "Overview", Component: OverviewView },
  settings: { title: "Settings", Component: SettingsView },
  members: { title: "Members", Component: MembersView },
  bans: { title: "Bans", Component: BansView },
  keys: { title: "Keys", Component: KeysView },
  log: { title: "Log", Component: LogView },
  try: { title: "Try it", Component: TryView },
};

/** One domain: what it is, and the view of it that was chosen. */
export function DomainPage(props: { domain: string; view: View; selection?: Selection | undefined }) {
  const { domain, view, selection = {} } = props;
  const { operator, arrived } = useConsole();
  const {
    value: overview,
    failure,
    reload,
  } = useLoaded((signal) => operator.domain(domain).overview({ signal }), [operator, domain]);
  const { title, Component } = VIEW_COMPONENTS[view];
  // On arrival at the domain the focus goes to its name; within the domain, to the view.
  const firstView = useRef(view);
  const moved = useRef(false);
  moved.current ||= view !== firstView.current;
  return (
    <>
      <nav class="breadcrumb" aria-label="Breadcrumb">
        <a href={hashOf({ page: "domains", prefix: "" })}>Domains</a>
      </nav>
      <div class="title-row">
        <Heading level={1} arrived={arrived}>
          <span class="name">{domain}</span>
        </Heading>
        <CopyButton text={domain} what="the name" />
        {overview && <Status {...overview} />}
      </div>
      <nav class="views" aria-label="Views of the domain">
        <ul>
          {VIEWS.map((each) => (
            <li key={each}>
              <a
                href={hashOf({ page: "domain", domain, view: each })}
                aria-current={each === view ? "page" : undefined}
              >
                {VIEW_COMPONENTS[each].title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <FailureNotice failure={failure} />
      {failure && <Button onClick={reload}>Try again</Button>}
      {!overview && !failure && <Progress />}
      {overview && (
        <section key={view} class="view" aria-labelledby={VIEW_TITLE}>
          <Heading level={2} arrived={moved.current} id={VIEW_TITLE} hidden>
            {title}
          </Heading>
          <Component overview={overview} selection={selection} refresh={reload} />
        </section>
      )}
    </>
  );
}
