import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { databasesOf } from "../../../src/server/database/databases.ts";

const databases = [...databasesOf(env).values()];
if (databases.length !== 3) throw new Error("these tests need three databases");
for (const database of databases) await applyD1Migrations(database, env.TEST_MIGRATIONS);
