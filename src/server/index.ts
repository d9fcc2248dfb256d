import { createApp } from "./app.ts";
import { maintain } from "./maintenance.ts";

export { DatabaseWriter } from "./database/database-writer.ts";
export { DeviceBans } from "./object/device-bans.ts";
export { DomainObject } from "./object/domain-object.ts";

const app = createApp();

export default {
  fetch: app.fetch,
  scheduled: (_event, env) => maintain(env),
} satisfies ExportedHandler<Env>;
