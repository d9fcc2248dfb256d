import { escaped } from "../../scripts/html.ts";

/** The data of a chart. */
export type Chart = Readonly<{
  title: string;
  /** The places along the x axis, and their names. */
  x: string;
  places: readonly string[];
  y: string;
  /** A logarithmic y axis, for values that grow by orders of magnitude; else it begins at 0. */
  logarithmic?: boolean;
  /** The lines by their names, each with one value for each place. */
  series: Readonly<Record<string, readonly number[]>>;
}>;

const [WIDTH, HEIGHT] = [720, 400];
const AREA = { left: 84, right: 700, top: 56, bottom: 332 };
const COLOURS = ["#0b62c4", "#c2410c", "#15803d", "#7e22ce"];

/** Draws a line chart as an SVG document. */
export function svgChart({ title, x, places, y, logarithmic = false, series }: Chart): string {
  const values = Object.values(series).flat();
  const ticks = logarithmic ? decades(Math.min(...values), Math.max(...values)) : steps(Math.max(...values));
  const [low, high] = [ticks[0] as number, ticks.at(-1) as number];
  const scale = (value: number) => (logarithmic ? Math.log10(value) : value);
  const yOf = (value: number) =>
    AREA.bottom - ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (AREA.bottom - AREA.top);
  const xOf = (index: number) => AREA.left + ((index + 0.5) / places.length) * (AREA.right - AREA.left);
  const grid = ticks.flatMap((tick) => [
    `<line x1="${AREA.left}" x2="${AREA.right}" y1="${at(yOf(tick))}" y2="${at(yOf(tick))}" stroke="#ddd"/>`,
    text(AREA.left - 8, yOf(tick) + 4, tick.toLocaleString("en"), "end"),
  ]);
  const lines = Object.entries(series).flatMap(([name, values], index) => {
    const colour = COLOURS[index % COLOURS.length];
    const points = values.map((value, place) => `${at(xOf(place))},${at(yOf(value))}`);
    const left = AREA.left + index * 220;
    return [
      `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map((point) => {
        const [cx, cy] = point.split(",");
        return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`;
      }),
      `<line x1="${left}" x2="${left + 24}" y1="${HEIGHT - 14}" y2="${HEIGHT - 14}" stroke="${colour}" stroke-width="2"/>`,
      text(left + 30, HEIGHT - 10, name, "start"),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}: ${escaped(y)} by ${escaped(x)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${AREA.left}" y="22" font-size="15">${escaped(title)}</text>`,
    text(AREA.left, 42, y, "start"),
    ...grid,
    ...places.map((place, index) => text(xOf(index), AREA.bottom + 18, place, "middle")),
    text((AREA.left + AREA.right) / 2, AREA.bottom + 38, x, "middle"),
    ...lines,
    "</svg>\n",
  ].join("\n");
}

/** Round values from 0 to above the highest. */
function steps(highest: number): readonly number[] {
  const magnitude = 10 ** Math.floor(Math.log10(highest));
  const step = ([0.2, 0.5, 1, 2].find((each) => highest / (each * magnitude) <= 6) ?? 2) * magnitude;
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, index) => index * step);
}

/** The powers of ten around values. */
function decades(lowest: number, highest: number): readonly number[] {
  const from = Math.floor(Math.log10(lowest));
  const to = Math.max(from + 1, Math.ceil(Math.log10(highest)));
  return Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill="#333">${escaped(content)}</text>`;
}

function at(coordinate: number): string {
  return coordinate.toFixed(1);
}
