import { createApp } from "./app.ts";
import { maintain } from "./maintenance.ts";

export { DomainObject } from "./object/domain-object.ts";

const app = createApp();

export default {
  fetch: app.fetch,
  scheduled: ({ scheduledTime }, env) => maintain(env, scheduledTime),
} satisfies ExportedHandler<Env>;
