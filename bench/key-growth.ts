import type { JWK } from "jose";
import { generateDomainKeyPair } from "../src/server/crypto/key-pairs.ts";
import { wrapPrivateKey } from "../src/server/crypto/key-wrapping.ts";
import type { BenchServer } from "./bench-server.ts";
import type { LoadGenerator } from "./load/load-generator.ts";
import { memberGuid } from "./load/member-guids.ts";
import { CONNECTIONS, type Effort, measure, patience, type Round, type Summary, summary } from "./measuring.ts";
import { populate, registerOnce } from "./population.ts";
import { median } from "./statistics.ts";
import type { Workshop } from "./workshop.ts";

/** Renewals of devices that hold the same keys: under load, and one alone with an object that holds nothing yet. */
export type RenewalPoint = Readonly<{
  load: Summary;
  /** One request at a time, in milliseconds. */
  aloneMilliseconds: number;
  /** The first answer of a fresh object, in milliseconds. */
  freshMilliseconds: number;
  /** The body of an answer. */
  bodyBytes: number;
}>;

/** Renewals in a domain with so many key versions, by devices that hold all of them, and by such that hold none. */
export type KeyPoint = Readonly<{ keyVersions: number; holding: RenewalPoint; asking: RenewalPoint }>;

const MEMBERS = 2_000;
const ALONE = 15;
const FRESH = 5;
const WARM_UP = 1_500;

/** Measures renewals at several numbers of key versions, in rounds. */
export async function keyGrowth(
  workshop: Workshop,
  code: string,
  keyVersions: readonly number[],
  effort: Effort,
): Promise<readonly KeyPoint[]> {
  const { generator } = workshop;
  const server = await workshop.start("ours", code);
  await measure(generator, server, { kind: "joins", domain: "warm-up" }, WARM_UP);
  for (const versions of keyVersions) {
    // The registration after a take-over makes the last one.
    const keys = () => loadKeys(server, domainWith(versions), versions - 1, keyEncryptionKeys(workshop));
    await populate(server, domainWith(versions), MEMBERS, keys);
  }
  const holding = await renewals(generator, server, keyVersions, true, effort);
  const asking = await renewals(generator, server, keyVersions, false, effort);
  await workshop.stop([server]);
  return keyVersions.map((versions, index) => ({
    keyVersions: versions,
    holding: holding[index] as RenewalPoint,
    asking: asking[index] as RenewalPoint,
  }));
}

async function renewals(
  generator: LoadGenerator,
  server: BenchServer,
  keyVersions: readonly number[],
  holdAll: boolean,
  effort: Effort,
): Promise<readonly RenewalPoint[]> {
  const points = keyVersions.map((versions) => ({
    domain: domainWith(versions),
    afterKeyVersion: holdAll ? versions : 0,
    done: [] as Round[],
    expected: CONNECTIONS,
  }));
  // The first round is the warm-up.
  const outOfPatience = patience(effort, points.length);
  for (let round = 0; round <= effort.rounds && !(round > 1 && outOfPatience()); round++) {
    for (const point of points) {
      const { domain, afterKeyVersion, done, expected } = point;
      const traffic = { kind: "renewals", domain, members: MEMBERS, afterKeyVersion } as const;
      const amount = Math.max(CONNECTIONS, Math.ceil(expected * effort.seconds));
      const measured = await measure(generator, server, traffic, amount);
      point.expected = measured.perSecond;
      if (round > 0) done.push(measured);
    }
  }
  const result: RenewalPoint[] = [];
  for (const { domain, afterKeyVersion, done } of points) {
    const ask = () => registerOnce(server.origin, domain, memberGuid(0), afterKeyVersion);
    const alone = await inTurn(ALONE, ask);
    const fresh = await inTurn(FRESH, async () => {
      await server.evict(domain);
      return ask();
    });
    result.push({
      load: summary(done),
      aloneMilliseconds: median(alone.map(({ took }) => took)),
      freshMilliseconds: median(fresh.map(({ took }) => took)),
      bodyBytes: median(alone.map(({ bytes }) => bytes)),
    });
  }
  return result;
}

async function inTurn<T>(times: number, run: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let time = 0; time < times; time++) results.push(await run());
  return results;
}

function domainWith(versions: number): string {
  return `keys-${versions}`;
}

function keyEncryptionKeys({ secrets }: Workshop): readonly JWK[] {
  return (JSON.parse(secrets.KEY_ENCRYPTION_KEYS as string) as { keys: JWK[] }).keys;
}

/** Loads keys into D1, as rollovers would have made them. */
async function loadKeys(
  { database }: BenchServer,
  domain: string,
  count: number,
  keyEncryptionKeys: readonly JWK[],
): Promise<void> {
  const rows = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const place = { domain, keyVersion: index + 1 };
      const { publicJwk, privateJwk } = await generateDomainKeyPair(place.keyVersion);
      const wrapped = await wrapPrivateKey(privateJwk, place, keyEncryptionKeys);
      return { keyVersion: place.keyVersion, publicJwk: JSON.stringify(publicJwk), wrapped };
    }),
  );
  await database
    .prepare(
      `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid, created_at)
       select ?, value ->> '$.keyVersion', value ->> '$.publicJwk', value ->> '$.wrapped', ?, ? from json_each(?)`,
    )
    .bind(domain, keyEncryptionKeys[0]?.kid ?? null, Date.now(), JSON.stringify(rows))
    .run();
}
