/** The id of a database that is not created yet. */
export const NO_DATABASE = "00000000-0000-0000-0000-000000000000";

/** A D1 database of the configuration: its binding, its name in the account and its id. */
export type DatabaseEntry = Readonly<{ binding: string; name: string; id: string }>;

const ENTRY = /^\[\[d1_databases\]\]\n(?:[a-z_]+ = .*(?:\n|$))*/gm;

/** The D1 databases of a `wrangler.toml`, in its order. @throws Error if one lacks its binding, its name or its id */
export function databaseEntries(config: string): readonly DatabaseEntry[] {
  return [...config.matchAll(ENTRY)].map(([entry]) => {
    const value = (key: string) => new RegExp(`^${key} = "(.+)"`, "m").exec(entry)?.[1];
    const [binding, name, id] = [value("binding"), value("database_name"), value("database_id")];
    if (binding && name && id) return { binding, name, id };
    throw new Error("begin each [[d1_databases]] with binding, database_name and database_id, a line each");
  });
}

/** The configuration with the id of a database that had none. */
export function withId(config: string, { binding }: DatabaseEntry, id: string): string {
  return config.replace(ENTRY, (entry) => (entry.includes(`"${binding}"`) ? entry.replace(NO_DATABASE, id) : entry));
}

/** The configuration with one more database, which is not created yet: `DB_2` after `DB`, and so on. */
export function withOneMore(config: string): string {
  const entries = databaseEntries(config);
  const [first] = entries;
  const last = [...config.matchAll(ENTRY)].at(-1);
  if (!first || !last) throw new Error("there is no [[d1_databases]] to follow");
  const number = 1 + Math.max(...entries.map(({ binding }) => Number(/_(\d+)$/.exec(binding)?.[1] ?? 1)));
  const end = last.index + last[0].length;
  const entry = last[0]
    .trimEnd()
    .replace(/^binding = .*$/m, `binding = "DB_${number}"`)
    .replace(/^database_name = .*$/m, `database_name = "${first.name}-${number}"`)
    .replace(/^database_id = .*$/m, `database_id = "${NO_DATABASE}"`);
  return `${config.slice(0, end).trimEnd()}\n\n${entry}\n${config.slice(end)}`;
}
