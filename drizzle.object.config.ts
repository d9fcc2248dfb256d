import { defineConfig } from "drizzle-kit";

/** The migrations of the objects' own storage, which are bundled into the Worker. */
export default defineConfig({
  dialect: "sqlite",
  driver: "durable-sqlite",
  schema: "./src/server/object/storage/schema.ts",
  out: "./migrations/object",
});
