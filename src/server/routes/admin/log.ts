import { type Context, Hono } from "hono";
import { dayOf } from "../../../domain/evolve.ts";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import { MAX_PAGE_ROWS } from "../../../protocol/limits.ts";
import { configOf } from "../../config.ts";
import { signLogHead } from "../../crypto/log-statements.ts";
import { read } from "../../http/domain-objects.ts";
import { page, queryOf } from "../../http/pages.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../../http/request-context.ts";
import { activityQuery, exportQuery, logQuery } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import type { CheckpointRow, HashedEntry } from "../../object/storage/log.ts";

/** The days of a busy domain are counted as far back as these go. */
const MAX_ACTIVITY_COMMITS = 5_000;
const MAX_REFUSAL_ROWS = 1_000;

/** Routes of a domain's log. */
export const adminLog = new Hono<AppEnv>()
  .get("/admin/domains/:domain/log", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { order, type, deviceId, ...query } = queryOf(c, logQuery);
    const { rows, nextCursor } = await page<number, HashedEntry>(
      c,
      query,
      ["log", domain, order, type ?? "", deviceId ?? ""],
      (part) => read(c, domain, "log", { order, ...part }, { type, deviceId }),
      ({ revision }) => revision,
    );
    return c.json({ entries: rows, nextCursor } satisfies ResponseBody<"logResponse">);
  })
  .get("/admin/domains/:domain/log/head", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const [{ rows }, checkpoint] = await Promise.all([
      read(c, domain, "log", { order: "newest", after: null, limit: 1 }),
      read(c, domain, "checkpoint"),
    ]);
    const newest = rows[0] as HashedEntry;
    const head = { domain, revision: newest.revision, hash: newest.hash };
    const [key] = configOf(c.env).domainAuthorityKeys;
    // Signed, a forged log would be as good as this server's own.
    const { forged } = await read(c, domain, "forgedEntries", newest.revision - 1, 1);
    const statement = forged.length === 0 ? await signLogHead(head, serverUrl(c), Date.now(), key) : null;
    const { committedAt } = newest;
    return c.json({ ...head, committedAt, checkpoint, statement } satisfies ResponseBody<"logHeadResponse">);
  })
  .get("/admin/domains/:domain/log/export", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { after } = queryOf(c, exportQuery);
    const checkpoint = await read(c, domain, "checkpoint");
    return c.body(exported(c, domain, after, after === 0 ? checkpoint : null), 200, {
      "content-type": "application/jsonl",
    });
  })
  .get("/admin/domains/:domain/activity", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { days } = queryOf(c, activityQuery);
    const fromDay = dayOf(Date.now()) - days + 1;
    const [activity, refusals] = await Promise.all([
      read(c, domain, "activity", fromDay, MAX_ACTIVITY_COMMITS),
      read(c, domain, "refusals", fromDay * 24, MAX_REFUSAL_ROWS + 1),
    ]);
    return c.json({
      domain,
      complete: activity.complete && refusals.length <= MAX_REFUSAL_ROWS,
      days: activity.days.map(({ day, joined, left }) => ({
        day: isoTime(day * 86_400_000).slice(0, 10),
        joined,
        left,
      })),
      refusals: refusals.slice(0, MAX_REFUSAL_ROWS).map(({ hour, error, refusals: count }) => ({
        hour: isoTime(hour * 3_600_000),
        error,
        count,
      })),
    } satisfies ResponseBody<"activityResponse">);
  });

/** A log as JSON Lines, oldest first, read as fast as it is taken; a line for where it was cut comes before. */
function exported(
  c: Context<AppEnv>,
  domain: string,
  from: number,
  checkpoint: CheckpointRow | null,
): ReadableStream<Uint8Array> {
  let after = from;
  const lines = (values: readonly object[]) =>
    new TextEncoder().encode(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
  return new ReadableStream({
    start(controller) {
      if (checkpoint) controller.enqueue(lines([{ checkpoint }]));
    },
    async pull(controller) {
      const { rows } = await read(c, domain, "log", { order: "oldest", after, limit: 5 * MAX_PAGE_ROWS });
      const last = rows.at(-1);
      if (!last) return controller.close();
      after = last.revision;
      controller.enqueue(lines(rows));
    },
  });
}
