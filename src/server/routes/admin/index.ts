import { Hono } from "hono";
import type { AppEnv } from "../../http/request-context.ts";
import { requireOperator } from "../../middleware/operator-scope.ts";
import { adminAudit } from "./audit.ts";
import { adminBans } from "./bans.ts";
import { adminDeletions } from "./deletions.ts";
import { adminDevices } from "./devices.ts";
import { adminDomains } from "./domains.ts";
import { adminKeyEncryption } from "./key-encryption.ts";
import { adminLog } from "./log.ts";
import { adminMembers } from "./members.ts";
import { adminMetrics } from "./metrics.ts";
import { adminOperatorIdentity } from "./operator-identity.ts";

/** Routes of operators. */
export const admin = new Hono<AppEnv>()
  .use("/admin/*", requireOperator)
  .route("/", adminDomains)
  .route("/", adminDeletions)
  .route("/", adminMembers)
  .route("/", adminBans)
  .route("/", adminDevices)
  .route("/", adminLog)
  .route("/", adminAudit)
  .route("/", adminKeyEncryption)
  .route("/", adminMetrics)
  .route("/", adminOperatorIdentity);
