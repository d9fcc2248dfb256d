import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { JWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mintToken, newTestIssuers, TEST_AUDIENCE, testIssuer } from "../support/issuers.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

const MANY = 200;

let issuer: Server;
let server: EmbeddedServer;
let key: JWK;
/** The requests for the keys that wait for an answer, and how many there have been. */
let waiting: ServerResponse[] = [];
let fetches = 0;

beforeAll(async () => {
  const issuers = await newTestIssuers();
  key = issuers.keys.studio;
  issuer = createServer((_, response) => {
    fetches++;
    waiting.push(response);
  }).listen(0, "127.0.0.1");
  await once(issuer, "listening");
  const jwksUri = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`;
  const trusted = {
    namespace: "studio",
    issuer: testIssuer("studio"),
    audience: TEST_AUDIENCE,
    jwksUri,
    timeoutSeconds: 30,
  };
  server = await startEmbeddedServer({ vars: { TRUSTED_ISSUERS: JSON.stringify([trusted]) } });
});

afterAll(async () => {
  await server?.stop();
  issuer?.closeAllConnections();
  issuer?.close();
});

/** Hands the keys to all who wait for them. */
function giveKeys(): void {
  const { d, ...publicKey } = key;
  for (const response of waiting) response.end(JSON.stringify({ keys: [publicKey] }));
  waiting = [];
}

async function requireTokens(): Promise<void> {
  const response = await fetch(`${server.url}/admin/domains/fetched`, {
    method: "PUT",
    headers: { "content-type": "application/json", authorization: `Bearer ${server.adminToken}` },
    body: JSON.stringify({ authenticationRequired: true, authNamespace: "studio" }),
  });
  expect(response.ok).toBe(true);
  await response.arrayBuffer();
}

/** Joins the domain with a token. @returns the status */
async function join(token: string): Promise<number> {
  const response = await fetch(`${server.url}/domains/fetched/register`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ machineGuid: randomUUID() }),
  });
  await response.arrayBuffer();
  return response.status;
}

describe("requests that come at once, each in a context of its own", () => {
  it.each([
    ["unknown kids", 401, () => ({ kid: randomUUID() })],
    ["good tokens", 201, () => ({})],
  ])(`ask the issuer once for ${MANY} %s`, async (_, status, header) => {
    await server.restart();
    await requireTokens();
    fetches = 0;
    const all = Array.from({ length: MANY }, async () => join(await mintToken("studio", key, { header: header() })));
    let done = false;
    const statuses = Promise.all(all).finally(() => {
      done = true;
    });
    // Every caller is answered: a server that asks more often is counted, not held up.
    while (!done) {
      giveKeys();
      await delay(5);
    }
    expect(new Set(await statuses)).toEqual(new Set([status]));
    expect(fetches).toBe(1);
  });
});
