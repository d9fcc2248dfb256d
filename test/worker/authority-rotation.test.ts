import { env } from "cloudflare:workers";
import { createLocalJWKSet, decodeProtectedHeader, importJWK, type JWK, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { createApp } from "../../src/server/app.ts";
import { ORIGIN, reply } from "../support/worker/client.ts";

const TYPE = "authority-rotation+jwt";

/** An app of a server whose domain authority has these keys, the present one first. */
function serverWith(...keys: readonly JWK[]) {
  const environment = { ...env, DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys }) };
  const app = createApp();
  return (headers: Record<string, string> = {}) =>
    app.request(`${ORIGIN}/.well-known/jwks.json`, { headers }, environment);
}

const newKeys = (count: number): Promise<JWK[]> => Promise.all(Array.from({ length: count }, () => newSigningKey()));

function publicHalf({ kty, crv, x, y, kid }: JWK): JWK {
  return { kty, crv, x, y, kid, use: "sig", alg: "ES256" } as JWK;
}

/** The claims of a rotation that a key signed. @throws if it did not */
async function vouchedBy(key: JWK, rotation: string) {
  const options = { algorithms: ["ES256"], typ: TYPE, issuer: ORIGIN };
  return (await jwtVerify(rotation, await importJWK(publicHalf(key), "ES256"), options)).payload;
}

type Published = { keys: JWK[]; rotations?: string[] };

describe("the domain authority's keys", () => {
  it("come with no rotation where there is one alone", async () => {
    const [key] = (await newKeys(1)) as [JWK];
    expect(await (await serverWith(key)()).json()).toEqual({ keys: [publicHalf(key)] });
    expect((await reply("GET", "/.well-known/jwks.json")).body).not.toHaveProperty("rotations");
  });

  it("come with one of each former key, which vouches for the present one", async () => {
    const [present, former, oldest] = (await newKeys(3)) as [JWK, JWK, JWK];
    const { keys, rotations = [] } = await (await serverWith(present, former, oldest)()).json<Published>();
    expect(keys).toEqual([present, former, oldest].map(publicHalf));
    expect(rotations).toHaveLength(2);
    for (const [index, key] of [former, oldest].entries()) {
      const rotation = rotations[index] as string;
      expect(decodeProtectedHeader(rotation)).toEqual({ alg: "ES256", typ: TYPE, kid: key.kid });
      const claims = await vouchedBy(key, rotation);
      expect(claims).toMatchObject({ iss: ORIGIN, iat: expect.any(Number), cnf: { jwk: publicHalf(present) } });
      expect(claims).not.toHaveProperty("sub");
      for (const other of [present, former, oldest].filter((each) => each !== key)) {
        await expect(vouchedBy(other, rotation)).rejects.toMatchObject({
          code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
      }
    }
    const text = JSON.stringify([keys, rotations.map((rotation) => atob(rotation.split(".")[1] as string))]);
    for (const { d } of [present, former, oldest]) expect(text).not.toContain(d);
  });

  it("lead a device that trusts a former key alone to what the present one signs", async () => {
    const [present, former] = (await newKeys(2)) as [JWK, JWK];
    const { rotations = [] } = await (await serverWith(present, former)()).json<Published>();
    const pinned = createLocalJWKSet({ keys: [publicHalf(former)] });
    const { payload } = await jwtVerify(rotations[0] as string, pinned, { typ: TYPE });
    const { jwk } = payload.cnf as { jwk: JWK };
    expect(jwk).toEqual(publicHalf(present));
  });

  it("are not sent again to who has them, until they change", async () => {
    const [present, former, next] = (await newKeys(3)) as [JWK, JWK, JWK];
    const ask = serverWith(present, former);
    const first = await ask();
    const etag = first.headers.get("etag") as string;
    expect(first.headers.get("cache-control")).toBe("no-cache");
    expect((await ask({ "if-none-match": etag })).status).toBe(304);
    const rotated = await serverWith(next, present, former)({ "if-none-match": etag });
    expect(rotated.status).toBe(200);
    const { rotations = [] } = await rotated.json<Published>();
    for (const [index, key] of [present, former].entries()) {
      expect(await vouchedBy(key, rotations[index] as string)).toMatchObject({ cnf: { jwk: publicHalf(next) } });
    }
  });
});
