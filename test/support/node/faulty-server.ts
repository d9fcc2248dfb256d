import { freePort } from "../../../scripts/ports.ts";
import { type Line, startFaultProxy } from "./fault-proxy.ts";
import { type Overview, withoutCopy } from "./overviews.ts";
import { startServer } from "./server.ts";

/** A real server that knows itself by the address of the proxy in front of it. */
export type FaultyServer = {
  /** A domain's URL, through the proxy: a request for it must come by a line. */
  domainUrl(domain: string): string;
  /** A domain's URL past the proxy, for those who look on. */
  plainUrl(domain: string): string;
  line(): Line;
  overview(domain: string): Promise<Overview>;
  /** Changes settings of a domain. */
  configure(domain: string, settings: Readonly<Record<string, unknown>>): Promise<void>;
  stop(): Promise<void>;
};

/** Starts a server behind a proxy that can make requests fail. */
export async function startFaultyServer(): Promise<FaultyServer> {
  const port = await freePort();
  const proxy = await startFaultProxy(`http://127.0.0.1:${port}`);
  const server = await startServer({ port, vars: { DOMAIN_SERVER_URL: proxy.url } });
  const operate = async (domain: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" };
    const response = await fetch(`${server.url}/admin/domains/${domain}`, { ...init, headers });
    if (!response.ok) throw new Error(`${domain}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return {
    domainUrl: (domain) => `${proxy.url}/domains/${domain}`,
    plainUrl: (domain) => `${server.url}/domains/${domain}`,
    line: proxy.line,
    overview: async (domain) => withoutCopy((await operate(domain)) as object),
    async configure(domain, settings) {
      await operate(domain, { method: "PATCH", body: JSON.stringify(settings) });
    },
    async stop() {
      await server.stop();
      await proxy.stop();
    },
  };
}
