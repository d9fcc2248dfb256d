import { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { keysInPlace } from "../key-encryption.ts";
import { requireOperator } from "../operators.ts";
import { adminBans } from "./admin-bans.ts";
import { adminDomains } from "./admin-domains.ts";
import { adminKeyEncryption } from "./admin-key-encryption.ts";
import { adminLog } from "./admin-log.ts";
import { adminMembers } from "./admin-members.ts";

/** What operators ask for. */
export const admin = new Hono<AppEnv>()
  .use("/admin/*", requireOperator, keysInPlace)
  .route("/", adminDomains)
  .route("/", adminMembers)
  .route("/", adminBans)
  .route("/", adminLog)
  .route("/", adminKeyEncryption);
