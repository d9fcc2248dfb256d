import { type Context, Hono } from "hono";
import type { JWK } from "jose";
import { dayOf } from "../../../domain/decide.ts";
import { configOf } from "../../config.ts";
import { signLogHead } from "../../crypto/log-statements.ts";
import { listActivity, listRefusals } from "../../database/domain-lists.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../../http/context.ts";
import { page, queryOf } from "../../http/pages.ts";
import { activityQuery, exportQuery, logQuery, MAX_PAGE_ROWS } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import { type HashedEntry, readCheckpoint, readLog } from "../../object/storage/log-reader.ts";
import { existing } from "./domains.ts";

/** The days of a busy domain are counted as far back as these go. */
const MAX_ACTIVITY_COMMITS = 5_000;
const MAX_REFUSAL_ROWS = 1_000;

/** What happened in a domain. */
export const adminLog = new Hono<AppEnv>()
  .get("/admin/domains/:domain/log", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { order, ...query } = queryOf(c, logQuery);
    await existing(c, domain);
    const { rows, nextCursor } = await page<number, HashedEntry>(
      c,
      query,
      ["log", domain, order],
      (part) => readLog(c.env.DB, domain, { order, ...part }),
      ({ revision }) => revision,
    );
    return c.json({ entries: rows, nextCursor });
  })
  .get("/admin/domains/:domain/log/head", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { revision } = await existing(c, domain);
    const [{ rows }, checkpoint] = await Promise.all([
      readLog(c.env.DB, domain, { order: "newest", after: null, limit: 1 }),
      readCheckpoint(c.env.DB, domain),
    ]);
    const newest = rows[0];
    const head = { domain, revision: newest?.revision ?? revision, hash: newest?.hash ?? null };
    const statement = await signLogHead(head, serverUrl(c), Date.now(), authorityKey(c));
    return c.json({ ...head, committedAt: newest?.committedAt ?? null, checkpoint, statement });
  })
  .get("/admin/domains/:domain/log/export", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { after } = queryOf(c, exportQuery);
    await existing(c, domain);
    const checkpoint = after === 0 ? await readCheckpoint(c.env.DB, domain) : null;
    return c.body(exported(c.env.DB, domain, after, checkpoint), 200, { "content-type": "application/jsonl" });
  })
  .get("/admin/domains/:domain/activity", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { days } = queryOf(c, activityQuery);
    await existing(c, domain);
    const fromDay = dayOf(Date.now()) - days + 1;
    const [activity, refusals] = await Promise.all([
      listActivity(c.env.DB, domain, fromDay, MAX_ACTIVITY_COMMITS),
      listRefusals(c.env.DB, domain, fromDay * 24, MAX_REFUSAL_ROWS),
    ]);
    return c.json({
      domain,
      complete: activity.complete,
      days: activity.days.map(({ day, joined, left }) => ({
        day: isoTime(day * 86_400_000).slice(0, 10),
        joined,
        left,
      })),
      refusals: refusals.map(({ hour, error, refusals: count }) => ({
        hour: isoTime(hour * 3_600_000),
        error,
        count,
      })),
    });
  });

/** A log as JSON Lines, oldest first, read as fast as it is taken; a line for where it was cut comes before. */
function exported(
  database: D1Database,
  domain: string,
  from: number,
  checkpoint: object | null,
): ReadableStream<Uint8Array> {
  let after = from;
  const lines = (values: readonly object[]) =>
    new TextEncoder().encode(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
  return new ReadableStream({
    start(controller) {
      if (checkpoint) controller.enqueue(lines([{ checkpoint }]));
    },
    async pull(controller) {
      const { rows } = await readLog(database, domain, { order: "oldest", after, limit: 5 * MAX_PAGE_ROWS });
      const last = rows.at(-1);
      if (!last) return controller.close();
      after = last.revision;
      controller.enqueue(lines(rows));
    },
  });
}

function authorityKey(c: Context<AppEnv>): JWK {
  const [key] = configOf(c.env).domainAuthorityKeys as readonly [JWK, ...JWK[]];
  return key;
}
