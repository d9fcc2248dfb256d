import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";

if (env.TEST_MIGRATIONS.length === 0) throw new Error("migrations/ holds no migration");
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
