import { useId, useState } from "preact/hooks";
import type { Activity, DayOfActivity } from "../operator/index.ts";
import { Button, FailureNotice, Progress } from "./components.tsx";
import { useConsole } from "./context.ts";
import { useLoaded } from "./hooks.ts";
import { Day, dayText, Time } from "./times.tsx";

const SPANS = [7, 30, 90];
const DAY_MILLISECONDS = 86_400_000;
/** The chart's measures, in units of its own. */
const HEIGHT = 100;
const STEP = 10;
const BAR = 7;

/** Who came and went by day, as a chart and as a table, and what was refused. */
export function ActivityChart({ domain, revision }: { domain: string; revision: number }) {
  const { operator } = useConsole();
  const [span, setSpan] = useState(30);
  const { value, failure, busy, reload } = useLoaded(
    (signal) => operator.domain(domain).activity({ days: span, signal }),
    [operator, domain, span],
    revision,
  );
  return (
    <section class="card activity" aria-labelledby="activity-title" aria-busy={busy}>
      <div class="title-row">
        <h3 id="activity-title">Joins and departures</h3>
        <fieldset class="spans">
          <legend class="visually-hidden">Days shown</legend>
          {SPANS.map((days) => (
            <label key={days}>
              <input type="radio" name="span" checked={days === span} onChange={() => setSpan(days)} />
              <span>{days} days</span>
            </label>
          ))}
        </fieldset>
      </div>
      <FailureNotice failure={failure} />
      {failure && <Button onClick={reload}>Try again</Button>}
      {!value && !failure && <Progress />}
      {value && (
        <>
          <Chart days={wholeSpan(value.days, span)} />
          {!value.complete && (
            <p class="notice">The log is too long to count in full: the counts of earlier days are incomplete.</p>
          )}
          <Refusals refusals={value.refusals} />
        </>
      )}
    </section>
  );
}

/** The counts with the days on which nobody came or went, up to today. */
function wholeSpan(counts: readonly DayOfActivity[], span: number): readonly DayOfActivity[] {
  const byDay = new Map(counts.map((count) => [count.day, count]));
  const today = Math.floor(Date.now() / DAY_MILLISECONDS);
  return Array.from({ length: span }, (_, index) => {
    const day = new Date((today - span + 1 + index) * DAY_MILLISECONDS).toISOString().slice(0, 10);
    return byDay.get(day) ?? { day, joined: 0, left: 0 };
  });
}

function Chart({ days }: { days: readonly DayOfActivity[] }) {
  const id = useId();
  const joined = days.reduce((sum, day) => sum + day.joined, 0);
  const left = days.reduce((sum, day) => sum + day.left, 0);
  const mostJoined = Math.max(...days.map((day) => day.joined));
  const mostLeft = Math.max(...days.map((day) => day.left));
  const unit = HEIGHT / Math.max(1, mostJoined + mostLeft);
  const base = mostJoined + mostLeft === 0 ? HEIGHT / 2 : mostJoined * unit;
  return (
    <>
      <figure class="chart">
        <div class="counts" aria-hidden="true">
          <span>{mostJoined}</span>
          {mostLeft > 0 && <span>{mostLeft}</span>}
        </div>
        <svg viewBox={`0 0 ${days.length * STEP} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={id}>
          <title>Joins and departures by day</title>
          {days.map(({ day, joined, left }, index) => (
            <g key={day}>
              <title>{`${dayText(day)}: ${joined} joined, ${left} left or were removed`}</title>
              <rect class="hover" x={index * STEP} y={0} width={STEP} height={HEIGHT} />
              <rect class="joined" x={index * STEP + 1.5} y={base - joined * unit} width={BAR} height={joined * unit} />
              <rect class="left" x={index * STEP + 1.5} y={base} width={BAR} height={left * unit} />
            </g>
          ))}
          <line x1={0} y1={base} x2={days.length * STEP} y2={base} vector-effect="non-scaling-stroke" />
        </svg>
        <div class="axis" aria-hidden="true">
          <Day day={days[0]?.day ?? ""} />
          <Day day={days.at(-1)?.day ?? ""} />
        </div>
        <figcaption id={id}>
          <span class="key joined">{joined} joined</span> <span class="key left">{left} left or were removed</span>
        </figcaption>
      </figure>
      <details>
        <summary>As a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col">Joined</th>
              <th scope="col">Left or removed</th>
            </tr>
          </thead>
          <tbody>
            {[...days].reverse().map(({ day, joined, left }) => (
              <tr key={day}>
                <th scope="row">
                  <Day day={day} />
                </th>
                <td>{joined}</td>
                <td>{left}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

function Refusals({ refusals }: Pick<Activity, "refusals">) {
  if (refusals.length === 0) return <p class="muted">Nothing was refused.</p>;
  return (
    <details>
      <summary>{refusals.reduce((sum, { count }) => sum + count, 0)} refused</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">Hour</th>
            <th scope="col">Error</th>
            <th scope="col">Times</th>
          </tr>
        </thead>
        <tbody>
          {refusals.map(({ hour, error, count }) => (
            <tr key={`${hour} ${error}`}>
              <th scope="row">
                <Time at={hour} />
              </th>
              <td>
                <code>{error}</code>
              </td>
              <td>{count}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
