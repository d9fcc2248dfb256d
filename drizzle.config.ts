import { defineConfig } from "drizzle-kit";

/** D1's migrations. Those of the objects' own storage: `drizzle.object.config.ts`. */
export default defineConfig({ dialect: "sqlite", schema: "./src/server/database/schema.ts", out: "./migrations" });
