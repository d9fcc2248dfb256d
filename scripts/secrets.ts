// `npm run -s secrets`: prints new random secrets for a deployment as JSON, the way `wrangler secret bulk` takes them.

import { newSecrets } from "./local-secrets.ts";
import { scriptOptions } from "./script-options.ts";

scriptOptions("secrets", "Prints new random secrets for a deployment, as JSON.");
console.log(JSON.stringify(await newSecrets(), null, 2));
