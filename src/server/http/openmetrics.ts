import { FAMILIES, type Samples } from "../database/metrics.ts";

/** The media type of the text. */
export const OPENMETRICS_MEDIA_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/**
 * The metrics of several databases as a text, each sample with its database's label.
 *
 * @param byDatabase samples by the bindings of the databases
 * @see OpenMetrics 1.0, "Text format"
 */
export function openMetricsText(byDatabase: ReadonlyMap<string, Samples>): string {
  const lines = Object.entries(FAMILIES).flatMap(([family, { type, help }]) => [
    `# TYPE ${family} ${type}`,
    `# HELP ${family} ${help}`,
    ...[...byDatabase].flatMap(([database, samples]) =>
      Object.entries(samples)
        .filter(([name]) => familyOf(name) === family)
        .map(([name, value]) => `${labelled(name, database)} ${value}`),
    ),
  ]);
  return `${lines.join("\n")}\n# EOF\n`;
}

/** The family of a sample: its name without labels and suffix. */
function familyOf(sample: string): string | undefined {
  const [name] = sample.split("{", 1) as [string];
  return Object.keys(FAMILIES).find((family) => name === family || SUFFIXES.some((suffix) => name === family + suffix));
}

const SUFFIXES = ["_total", "_bucket", "_sum", "_count"];

function labelled(sample: string, database: string): string {
  const [name, labels] = sample.split("{", 2) as [string, string | undefined];
  return labels === undefined ? `${name}{database="${database}"}` : `${name}{database="${database}",${labels}`;
}
