import type { Results } from "../results.ts";
import { type Chart, svgChart } from "./chart.ts";

/** The growth curves of a run as SVG documents, by file name; none of what it had no time for. */
export function growthCharts({ memberGrowth, keyGrowth }: Results): ReadonlyMap<string, string> {
  const members = memberGrowth.map((point) => point.members.toLocaleString("en"));
  const versions = keyGrowth.map(({ keyVersions }) => keyVersions.toLocaleString("en"));
  const byVersions = (
    title: string,
    y: string,
    of: (point: Results["keyGrowth"][number]["holding"]) => number,
  ): Chart => ({
    title,
    x: "key versions",
    places: versions,
    y,
    logarithmic: true,
    series: [
      { name: "device holds all keys", values: keyGrowth.map(({ holding }) => of(holding)) },
      { name: "device asks for all keys", values: keyGrowth.map(({ asking }) => of(asking)) },
    ],
  });
  const charts: Record<string, Chart> = {
    "members.svg": {
      title: "Joins and renewals, by the size of the domain",
      x: "members",
      places: members,
      y: "requests/s",
      series: [
        { name: "joins", values: memberGrowth.map(({ joins }) => joins.perSecond) },
        { name: "renewals", values: memberGrowth.map(({ renewals }) => renewals.perSecond) },
      ],
    },
    "renewals-by-key-versions.svg": byVersions("Renewals, by key versions", "requests/s", ({ load }) => load.perSecond),
    "renewal-time-by-key-versions.svg": byVersions("Time of a lone renewal", "ms", (point) => point.aloneMilliseconds),
    "fresh-object-by-key-versions.svg": byVersions(
      "Time to the first answer of a fresh object",
      "ms",
      (point) => point.freshMilliseconds,
    ),
    "answer-size-by-key-versions.svg": byVersions("Size of a renewal's answer", "bytes", ({ bodyBytes }) => bodyBytes),
  };
  return new Map(
    Object.entries(charts)
      .filter(([, { places }]) => places.length > 0)
      .map(([name, chart]) => [name, svgChart(chart)]),
  );
}
