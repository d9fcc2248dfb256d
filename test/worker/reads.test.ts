import { env } from "cloudflare:workers";
import { calculateJwkThumbprint, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import {
  ask,
  configure,
  deregister,
  newDomain,
  newGuid,
  type Reply,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";

const NOTHING = { info: undefined, members: [], keys: [], log: [] };

function publicKeys(domain: string, headers: Record<string, string> = {}): Promise<Reply> {
  return reply("GET", `/domains/${domain}/keys`, undefined, headers);
}

/** A domain with a member that stays, whose keys have come to this version. */
async function domainAtVersion(version: number): Promise<string> {
  const domain = newDomain();
  const stays = newGuid();
  await register(domain, stays);
  for (let made = 1; made < version; made++) {
    const leaves = newGuid();
    await register(domain, leaves);
    await deregister(domain, leaves);
    await register(domain, stays);
  }
  return domain;
}

describe("GET /domains/{domain}", () => {
  it("says what a device must know before it joins, and no more", async () => {
    const domain = await domainAtVersion(2);
    const answer = await reply("GET", `/domains/${domain}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    // How many are in, and how many may be, is the operator's to know.
    expect(answer.body).toEqual({
      domain,
      authenticationRequired: false,
      authNamespace: null,
      authorizationServers: [],
      deviceKeyRequired: false,
      keyVersion: 2,
    });
  });

  it("shows the settings of a domain without keys", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true, authNamespace: "studio", maxMembership: 3 });
    expect((await reply("GET", `/domains/${domain}`)).body).toEqual({
      domain,
      authenticationRequired: true,
      authNamespace: "studio",
      authorizationServers: ["https://studio.example"],
      deviceKeyRequired: false,
      keyVersion: 0,
    });
  });

  it("asks for no token, even where joining does", async () => {
    const domain = newDomain();
    await configure(domain, { authenticationRequired: true });
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(200);
    expect((await publicKeys(domain)).status).toBe(200);
  });
});

describe("an unknown domain", () => {
  it.each(["", "/keys"])("is not found at /domains/{domain}%s, and not created", async (path) => {
    const domain = newDomain();
    const answer = await reply("GET", `/domains/${domain}${path}`, undefined, { "if-none-match": "*" });
    expect(answer.status).toBe(404);
    expect(answer.body).toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404 });
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await rows(domain)).toEqual(NOTHING);
  });

  it("is told from another whose name differs in case alone", async () => {
    const domain = `${newDomain()}-Case`;
    await register(domain, newGuid());
    expect((await publicKeys(domain.toUpperCase())).status).toBe(404);
  });
});

describe("GET /domains/{domain}/keys", () => {
  it("is the JWK Set of the public keys, oldest first", async () => {
    const domain = await domainAtVersion(3);
    const { status, body } = await publicKeys(domain);
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(["currentKeyVersion", "keys", "statement"]);
    expect(body.currentKeyVersion).toBe(3);
    const thumbprints = await Promise.all(body.keys.map((key: JWK) => calculateJwkThumbprint(key)));
    expect(body.keys).toEqual(
      [1, 2, 3].map((version) => ({
        kty: "EC",
        crv: "P-256",
        x: expect.stringMatching(/^[\w-]{43}$/),
        y: expect.stringMatching(/^[\w-]{43}$/),
        kid: thumbprints[version - 1],
        key_version: version,
        use: "enc",
        alg: "ECDH-ES+A256KW",
      })),
    );
    expect(new Set(body.keys.map(({ x }: { x: string }) => x)).size).toBe(3);
  });

  it("holds no private half, and is the other half of what members hold", async () => {
    const domain = await domainAtVersion(2);
    const { body } = await publicKeys(domain);
    const member = await register(domain, newGuid());
    const halves = member.body.credentials.map(({ privateKey: { d, ...half } }: { privateKey: { d: string } }) => half);
    expect(body.keys).toEqual(halves);
    for (const { privateKey } of member.body.credentials) expect(JSON.stringify(body)).not.toContain(privateKey.d);
    expect(JSON.stringify(body)).not.toMatch(/"d":/);
  });

  it("names no version to encrypt to before the first", async () => {
    const domain = newDomain();
    await configure(domain, {});
    expect((await publicKeys(domain)).body).toEqual({
      keys: [],
      currentKeyVersion: null,
      statement: expect.any(String),
    });
  });

  it("names no version to encrypt to while a rollover is due, and keeps the old keys", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const { body: before } = await publicKeys(domain);
    expect(before.currentKeyVersion).toBe(1);
    // A preview is no leave, and what was refused is none either.
    await deregister(domain, guid, { preview: true });
    await deregister(domain, newGuid());
    expect((await publicKeys(domain)).body).toEqual(before);
    await deregister(domain, guid);
    expect((await publicKeys(domain)).body).toEqual({
      keys: before.keys,
      currentKeyVersion: null,
      statement: expect.any(String),
    });
    await register(domain, newGuid());
    const { body: after } = await publicKeys(domain);
    expect(after.currentKeyVersion).toBe(2);
    expect(after.keys[0]).toEqual(before.keys[0]);
  });

  it("is not changed by what concerns devices alone", async () => {
    const domain = await domainAtVersion(1);
    const { headers } = await publicKeys(domain);
    const guid = newGuid();
    await register(domain, guid);
    await configure(domain, { maxMembership: 9 });
    expect((await publicKeys(domain)).headers.get("etag")).toBe(headers.get("etag"));
  });
});

describe("the cache of a licence server", () => {
  /** Whether what was kept under this ETag may still be used. */
  async function isFresh(domain: string, etag: string): Promise<boolean> {
    return (await publicKeys(domain, { "if-none-match": etag })).status === 304;
  }

  it("must ask every time, and is told when nothing has changed", async () => {
    const domain = await domainAtVersion(2);
    const { headers } = await publicKeys(domain);
    const etag = headers.get("etag") as string;
    expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
    expect(headers.get("cache-control")).toBe("no-cache");

    for (const condition of [etag, `W/${etag.replace("W/", "")}`, `"other", ${etag}`, "*"]) {
      const answer = await ask("GET", `/domains/${domain}/keys`, undefined, { "if-none-match": condition });
      expect(answer.status).toBe(304);
      expect(await answer.text()).toBe("");
      expect(answer.headers.get("etag")).toBe(etag);
      expect(answer.headers.get("cache-control")).toBe("no-cache");
      expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect((await publicKeys(domain, { "if-none-match": '"other"' })).status).toBe(200);
  });

  it("learns of a leave at once, although no key has changed", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const first = (await publicKeys(domain)).headers.get("etag") as string;
    expect(await isFresh(domain, first)).toBe(true);

    await deregister(domain, guid);
    expect(await isFresh(domain, first)).toBe(false);
    const due = (await publicKeys(domain)).headers.get("etag") as string;
    expect(await isFresh(domain, due)).toBe(true);

    await register(domain, guid);
    expect(await isFresh(domain, due)).toBe(false);
    expect(await isFresh(domain, first)).toBe(false);
  });

  it("does not take one domain's keys for another's", async () => {
    const [one, other] = [await domainAtVersion(1), await domainAtVersion(1)];
    expect(await isFresh(other, (await publicKeys(one)).headers.get("etag") as string)).toBe(false);
  });
});

describe("GET /.well-known/jwks.json", () => {
  it("publishes the domain authority's keys, their public members alone", async () => {
    const answer = await reply("GET", "/.well-known/jwks.json");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-cache");
    const own: { kty: string; crv: string; x: string; y: string; d: string; kid: string }[] = JSON.parse(
      env.DOMAIN_AUTHORITY_KEYS,
    ).keys;
    expect(answer.body).toEqual({
      keys: own.map(({ kty, crv, x, y, kid }) => ({ kty, crv, x, y, kid, use: "sig", alg: "ES256" })),
    });
    for (const { d } of own) expect(JSON.stringify(answer.body)).not.toContain(d);
  });

  it("can be asked for whether it has changed", async () => {
    const { headers } = await reply("GET", "/.well-known/jwks.json");
    const again = await reply("GET", "/.well-known/jwks.json", undefined, {
      "if-none-match": headers.get("etag") as string,
    });
    expect(again).toMatchObject({ status: 304, body: null });
  });

  it("does not publish the keys that keys rest under", async () => {
    const { body } = await reply("GET", "/.well-known/jwks.json");
    for (const { k, kid } of JSON.parse(env.KEY_ENCRYPTION_KEYS).keys) {
      expect(JSON.stringify(body)).not.toContain(k);
      expect(JSON.stringify(body)).not.toContain(kid);
    }
  });
});

describe("GET /health", () => {
  it("says that the server can work, and nothing of what it holds", async () => {
    const answer = await reply("GET", "/health");
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      status: "ok",
      database: "ok",
      secrets: "ok",
      copy: { domains: expect.any(Number), seconds: expect.any(Number) },
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });
});

describe("HEAD", () => {
  it.each(["/domains/{domain}", "/domains/{domain}/keys", "/.well-known/jwks.json", "/health"])(
    "%s is answered as GET is, without the body",
    async (template) => {
      const path = template.replace("{domain}", await domainAtVersion(1));
      const [get, head] = [await ask("GET", path), await ask("HEAD", path)];
      expect(head.status).toBe(200);
      expect(await head.text()).toBe("");
      for (const name of ["content-type", "cache-control", "etag", "x-content-type-options"]) {
        expect(head.headers.get(name)).toBe(get.headers.get(name));
      }
      expect(head.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it.each(["", "/keys"])(
    "/domains/{domain}%s does not find an unknown domain, and does not create it",
    async (path) => {
      const domain = newDomain();
      const answer = await ask("HEAD", `/domains/${domain}${path}`);
      expect(answer.status).toBe(404);
      expect(await answer.text()).toBe("");
      expect(await rows(domain)).toEqual(NOTHING);
    },
  );

  it("may carry a condition, too", async () => {
    const path = `/domains/${await domainAtVersion(1)}/keys`;
    const etag = (await ask("HEAD", path)).headers.get("etag") as string;
    expect((await ask("HEAD", path, undefined, { "if-none-match": etag })).status).toBe(304);
  });
});
