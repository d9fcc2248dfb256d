import { Hono } from "hono";
import type { Outcome } from "../../../domain/types.ts";
import { configOf } from "../../config.ts";
import { databasesOf } from "../../database/databases.ts";
import type { Samples } from "../../database/metrics.ts";
import { repeatedCall } from "../../http/domain-objects.ts";
import { OPENMETRICS_MEDIA_TYPE, openMetricsText } from "../../http/openmetrics.ts";
import { Problem } from "../../http/problems.ts";
import type { AppEnv } from "../../http/request-context.ts";
import { may } from "../../middleware/operator-scope.ts";
import { objectNamed } from "../../placement.ts";

/** Route of monitoring. The metrics hold no machine GUID and no name of a domain or a device. */
export const adminMetrics = new Hono<AppEnv>().get("/admin/metrics", may("metrics:read"), async (c) => {
  const kid = configOf(c.env).keyEncryptionKeys[0].kid as string;
  const samples = await Promise.all(
    [...databasesOf(c.env).keys()].map(async (name) => {
      const outcome = await repeatedCall(() => {
        const writer = objectNamed(c.env, c.env.DATABASE_WRITER, name);
        return writer.metrics(kid) as unknown as Promise<Outcome<Samples>>;
      });
      if (!outcome.granted) throw new Problem(outcome.refusal.error, { reason: outcome.refusal.reason });
      return [name, outcome.grant] as const;
    }),
  );
  return c.body(openMetricsText(new Map(samples)), 200, { "content-type": OPENMETRICS_MEDIA_TYPE });
});
