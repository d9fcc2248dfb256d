import { type Context, Hono } from "hono";
import { differingTables, read } from "../../http/domain-objects.ts";
import { type AppEnv, domainName } from "../../http/request-context.ts";
import { may } from "../../middleware/operator-scope.ts";
import type { ReadArguments, ReadName, ReadResult } from "../../object/storage/reads.ts";

const PAGE_ROWS = 1_000;

/** The rows of a domain that its log has to lead to, and what this server alone can check, for an audit. */
export const adminAudit = new Hono<AppEnv>().get("/admin/domains/:domain/audit", may("domains:read"), async (c) => {
  const domain = domainName(c);
  const { revision } = await read(c, domain, "overview");
  const lines = linesOf(c, domain, revision);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) return controller.close();
      const text = value.map((line) => `${JSON.stringify(line)}\n`).join("");
      controller.enqueue(new TextEncoder().encode(text));
    },
  });
  return c.body(body, 200, { "content-type": "application/jsonl" });
});

/** The lines, some at a time; the last says that all are there, and the revision at the beginning. */
async function* linesOf(c: Context<AppEnv>, domain: string, revision: number): AsyncGenerator<readonly object[]> {
  for await (const rows of pages(c, domain, "members", (row) => row.machineGuid)) {
    yield rows.map(({ deviceId, deviceKeyThumbprint }) => ({ member: { deviceId, deviceKeyThumbprint } }));
  }
  for await (const rows of pages(c, domain, "bans", (row) => row.machineGuid)) {
    yield rows.map(({ deviceId, deviceKeyThumbprint, reason }) => ({ ban: { deviceId, deviceKeyThumbprint, reason } }));
  }
  for await (const rows of pages(c, domain, "keyVersions", (row) => row.keyVersion)) {
    yield rows.map(({ keyVersion, kid }) => ({ key: { keyVersion, kid } }));
  }
  for (let after: number | null = 0; after !== null; ) {
    const found: ReadResult<"forgedEntries"> = await read(c, domain, "forgedEntries", after, PAGE_ROWS);
    yield found.forged.map((revision) => ({ forgedEntry: { revision } }));
    after = found.last;
  }
  yield (await differingTables(c, domain)).map((name) => ({ differingTable: { name } }));
  yield [{ complete: { revision } }];
}

type Listed = "members" | "bans" | "keyVersions";

/** All rows of a list, page by page. */
async function* pages<Name extends Listed, Key>(
  c: Context<AppEnv>,
  domain: string,
  name: Name & ReadName,
  keyOf: (row: ReadResult<Name>[number]) => Key,
): AsyncGenerator<readonly ReadResult<Name>[number][]> {
  for (let after: Key | null = null; ; ) {
    const page = [{ after, limit: PAGE_ROWS }] as unknown as ReadArguments<Name>;
    const rows = (await read(c, domain, name, ...page)) as ReadResult<Name>[number][];
    yield rows;
    const last = rows.at(-1);
    if (rows.length < PAGE_ROWS || last === undefined) return;
    after = keyOf(last);
  }
}
