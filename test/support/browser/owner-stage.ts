// biome-ignore-all lint/correctness/noEmptyPattern: by its pattern a fixture says which others it needs
import { expect, test as plainTest } from "vitest";
import { freePort } from "../../../scripts/ports.ts";
import { startServer } from "../node/server.ts";
import { newProfile } from "./chromium.ts";
import { CLIENT_ID, Issuer } from "./issuer.ts";
import { OwnerTab } from "./owner-tab.ts";

/** The `aud` of tokens for the server. */
export const AUDIENCE = "https://domains.example";

/** A test with a server whose owners sign in at an issuer, and with a person of its own. */
export const test = plainTest
  .extend("household", { scope: "worker" }, async ({}, { onCleanup }) => {
    const [port, issuerPort] = [await freePort(), await freePort()];
    const issuer = await Issuer.start(issuerPort, `http://127.0.0.1:${port}/devices`);
    const entry = { namespace: "home", issuer: issuer.url, audience: AUDIENCE, jwksUri: `${issuer.url}/jwks` };
    const domains = { name: "{namespace}:{sub}", maxMembership: 5 };
    const trusted = [{ ...entry, domains, signIn: { clientId: CLIENT_ID } }];
    const server = await startServer({ port, vars: { TRUSTED_ISSUERS: JSON.stringify(trusted) } });
    onCleanup(async () => {
      await Promise.all([server.stop(), issuer.stop()]);
    });
    return { server, issuer };
  })
  .extend("person", () => `person-${crypto.randomUUID().slice(0, 8)}`)
  /** Has devices with these names join a domain with a person's token. */
  .extend("join", ({ household: { server, issuer } }) => {
    return async (person: string, domain: string, ...names: readonly (string | null)[]) => {
      const token = await issuer.token(person, AUDIENCE);
      for (const name of names) {
        const body = { machineGuid: crypto.randomUUID(), ...(name === null ? {} : { deviceName: name }) };
        const response = await fetch(`${server.url}/domains/${domain}/register`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
          body: JSON.stringify(body),
        });
        if (response.status !== 201) throw new Error(`A device could not join: ${await response.text()}`);
      }
    };
  })
  .extend("browser", { scope: "worker" }, ({}, { onCleanup }) => {
    const profile = newProfile();
    onCleanup(() => profile.remove());
    return profile.start();
  })
  /** An empty tab, with nobody signed in at the issuer. */
  .extend("tab", async ({ household: { server, issuer }, browser }, { onCleanup }) => {
    await browser.clearCookies();
    const tab = new OwnerTab(await browser.newPage(), server.url, issuer.url);
    onCleanup(async () => {
      await tab.page.close();
      expect(tab.complaints).toEqual([]);
    });
    return tab;
  });
