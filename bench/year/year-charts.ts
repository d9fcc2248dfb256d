import { type Chart, svgChart } from "../report/chart.ts";
import type { YearResults } from "./year-results.ts";

/** The charts of a year: the name of each file, the text in place of the image, and the SVG document. */
export function yearCharts({ points }: YearResults): readonly { file: string; alt: string; svg: string }[] {
  const x = { x: "key versions", places: points.map(({ keyVersions }) => keyVersions.toLocaleString("en")) };
  const charts: readonly (readonly [string, Chart])[] = [
    [
      "year-response-size.svg",
      {
        title: "Size of the response to a newcomer, over a year",
        ...x,
        y: "bytes",
        logarithmic: true,
        series: [
          { name: "newest key, sealed", values: points.map(({ sizes }) => sizes["newest, sealed"]) },
          { name: "all keys, sealed", values: points.map(({ sizes }) => sizes["all, sealed"]) },
        ],
      },
    ],
    [
      "year-memory.svg",
      {
        title: "Memory of the server, over a year",
        ...x,
        y: "MB",
        series: [
          { name: "workerd, at the most", values: points.map((point) => point.peakMemoryBytes / 1e6) },
          { name: "heap of Worker and objects", values: points.map((point) => point.heapBytes / 1e6) },
        ],
      },
    ],
  ];
  return charts.map(([file, chart]) => ({ file, alt: chart.title, svg: svgChart(chart) }));
}
