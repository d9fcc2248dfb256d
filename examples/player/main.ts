// Serves the page for a server of domains that runs already, and whose CORS_ORIGINS has this page's origin.
import { startPlayer } from "./server.ts";

const domainServer = process.env.DOMAIN_SERVER_URL ?? "http://localhost:8787";
const { url } = await startPlayer({ domainServer, port: Number(process.env.PORT ?? 8791) });
console.log(`The player is at ${url}, for the domains of ${domainServer}.`);
