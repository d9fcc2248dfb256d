import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { buffer } from "node:stream/consumers";
import type { JSONWebKeySet } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { DeviceDomain } from "../../src/client/index.ts";
import { type EncryptionOptions, encryptToDomain, MemoryRevisionStore } from "../../src/licence/index.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

/** The proxy's change to the body of a response to `GET` of this path; null for none. */
type Tampering = (path: string, body: string) => string | null;

let server: TestServer;
let proxy: Server;
let proxyUrl: string;
let tamper: Tampering;
let url: string;

/** A proxy that ends TLS in front of the server, as devices and licence servers reach it: it can read and change all. */
async function startProxy(target: () => string): Promise<Server> {
  const started = createServer(async (incoming, response) => {
    const path = incoming.url ?? "/";
    const body = await buffer(incoming);
    const { host, connection, "content-length": _, ...headers } = incoming.headers;
    const answer = await fetch(`${target()}${path}`, {
      method: incoming.method as string,
      headers: headers as Record<string, string>,
      ...(body.length > 0 ? { body } : {}),
    });
    const text = await answer.text();
    const type = answer.headers.get("content-type") ?? "application/json";
    response.writeHead(answer.status, { "content-type": type }).end(tamper(path, text) ?? text);
  });
  started.listen(0, "127.0.0.1");
  await once(started, "listening");
  return started;
}

beforeAll(async () => {
  const port = await freePort();
  proxy = await startProxy(() => `http://127.0.0.1:${port}`);
  proxyUrl = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
  server = await startServer({ port, vars: { DOMAIN_SERVER_URL: proxyUrl } });
});
afterAll(async () => {
  await server.stop();
  proxy.close();
  proxy.closeAllConnections();
});
beforeEach(() => {
  tamper = () => null;
  url = `${proxyUrl}/domains/test-${crypto.randomUUID()}`;
});

/** Encrypts with the authority pinned past the proxy. */
const encrypt = (options: EncryptionOptions = {}) =>
  encryptToDomain(url, "secret", { retries: 0, authority: server.url, ...options });

async function newMember(): Promise<DeviceDomain> {
  const device = await DeviceDomain.open(url);
  await device.join();
  return device;
}

const keySetOf = async (domainUrl: string) => (await fetch(`${domainUrl}/keys`)).text();
const isKeySet = (path: string) => path === `${new URL(url).pathname}/keys`;

describe("a licence server behind a proxy that ends TLS", () => {
  it("encrypts to the domain's members through an honest one, without a credential, also when a rollover is due", async () => {
    const device = await newMember();
    const other = await newMember();
    await other.leave();
    const secret = await encrypt();
    await device.renew();
    expect(new TextDecoder().decode(await device.decrypt(secret))).toBe("secret");
  });

  it("does not encrypt to a key that was swapped", async () => {
    await newMember();
    const attic = `${proxyUrl}/domains/test-${crypto.randomUUID()}`;
    await (await DeviceDomain.open(attic)).join();
    const { keys } = JSON.parse(await keySetOf(attic));
    tamper = (path, body) => (isKeySet(path) ? JSON.stringify({ ...JSON.parse(body), keys }) : null);
    await expect(encrypt()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("does not take another domain's statement", async () => {
    await newMember();
    const attic = `${proxyUrl}/domains/test-${crypto.randomUUID()}`;
    await (await DeviceDomain.open(attic)).join();
    const other = await keySetOf(attic);
    tamper = (path) => (isKeySet(path) ? other : null);
    await expect(encrypt()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("does not take the answer from before a leave", async () => {
    const revisions = new MemoryRevisionStore();
    await newMember();
    const other = await newMember();
    const before = await keySetOf(url);
    await other.leave();
    await encrypt({ revisions });
    tamper = (path) => (isKeySet(path) ? before : null);
    await expect(encrypt({ revisions })).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("does not take the proxy's own authority", async () => {
    await newMember();
    const impostor = await startServer({ port: await freePort(), vars: { DOMAIN_SERVER_URL: proxyUrl } });
    try {
      const path = new URL(url).pathname;
      await (await DeviceDomain.open(`${impostor.url}${path}`, { issuer: proxyUrl })).join();
      const [keySet, jwks] = await Promise.all([
        keySetOf(`${impostor.url}${path}`),
        (await fetch(`${impostor.url}/.well-known/jwks.json`)).text(),
      ]);
      tamper = (asked) => (isKeySet(asked) ? keySet : asked === "/.well-known/jwks.json" ? jwks : null);
      await expect(encrypt()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
      const pinned = JSON.parse(await (await fetch(`${server.url}/.well-known/jwks.json`)).text()) as JSONWebKeySet;
      await expect(encrypt({ authority: pinned })).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    } finally {
      await impostor.stop();
    }
  });
});
