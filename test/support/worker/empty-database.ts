/** A database that knows no domain and takes no change: as much as an object needs to bring a domain into being. */
export function emptyDatabase(): D1Database {
  const results = { results: [], success: true, meta: {} };
  const statement = {
    bind: () => statement,
    all: () => Promise.resolve(results),
    raw: () => Promise.resolve([]),
  };
  return { prepare: () => statement } as unknown as D1Database;
}
