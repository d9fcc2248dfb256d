import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFailed } from "vitest";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { FileStore } from "../../src/client/file-store.ts";
import { MemoryStore } from "../../src/client/memory-store.ts";
import { encryptToDomain } from "../../src/licence/index.ts";
import { DeviceLife } from "../support/node/device-life.ts";
import { type FaultyServer, startFaultyServer } from "../support/node/faulty-server.ts";
import { seededRandom } from "../support/node/seeded-random.ts";

const DOMAINS = 40;
const DEVICES_OF_A_DOMAIN = 5;
/** How many domains at once: enough to keep two cores busy. */
const AT_ONCE = 8;

/** Far longer than it takes on a busy machine. */
const LONG = { timeout: 300_000 };

/** Decides everything but how the requests of different devices follow each other. */
const SEED = process.env.FAULTS_SEED ?? randomBytes(6).toString("hex");

let server: FaultyServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "device-lives-"));
  server = await startFaultyServer();
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

it("200 devices: none is stranded, whatever interrupts it", LONG, async () => {
  onTestFailed(() => console.error(`The same lives again: FAULTS_SEED=${SEED}`));
  const waiting = Array.from({ length: DOMAINS }, (_, index) => `family-${index}`);
  const failures: unknown[] = [];
  const oneAfterTheOther = async () => {
    while (failures.length === 0 && waiting.length > 0) {
      await liveIn(waiting.pop() as string).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, oneAfterTheOther));
  if (failures.length > 0) throw failures.length > 1 ? new AggregateError(failures) : failures[0];
});

/** Some devices live their lives in a domain and come to their ends; then all of it must fit together. */
async function liveIn(domain: string): Promise<void> {
  const lives = Array.from({ length: DEVICES_OF_A_DOMAIN }, (_, index) => newLife(domain, index));
  const inEach = (work: (life: DeviceLife) => Promise<void>) =>
    Promise.all(lives.map((life) => toldOnFailure(domain, life, () => work(life))));
  await inEach((life) => life.live());
  await inEach((life) => life.finish());

  // Who joins now makes the key that is due after a leave; what is encrypted to it is for the members there are.
  const witness = await DeviceDomain.open(server.domainUrl(domain), { fetch: server.line().fetch });
  const { keyVersion } = await witness.join();
  const secret = await encryptToDomain(server.plainUrl(domain), domain);
  expect(await opened(witness, secret)).toBe(domain);
  await inEach((life) =>
    life.intention === "member" ? expectMember(life, domain, secret) : expectGone(life, keyVersion),
  );
  const members = lives.filter(({ device }) => device.status === "member");
  expect((await server.overview(domain)).memberCount, domain).toBe(members.length + 1);
}

function newLife(domain: string, index: number): DeviceLife {
  const directory = join(folder, domain, String(index));
  const memory = new MemoryStore();
  const isMortal = index % 2 === 0;
  return new DeviceLife({
    url: server.domainUrl(domain),
    plainUrl: server.plainUrl(domain),
    line: server.line(),
    openStore: () => (isMortal ? new FileStore(directory) : memory),
    isMortal,
    random: seededRandom(`${SEED}/${domain}/${index}`),
  });
}

/** It is a member, and what is encrypted to the domain opens. */
async function expectMember({ device }: DeviceLife, domain: string, secret: string): Promise<void> {
  expect(await device.renew()).toMatchObject({ newMember: false });
  expect(await opened(device, secret)).toBe(domain);
}

/** It has left, it knows, and so does the server; the present key was never given to it, whatever it may have kept. */
async function expectGone({ device, newestKeyGiven }: DeviceLife, keyVersion: number): Promise<void> {
  expect(device.status).toBe("left");
  expect(await device.previewLeave()).toBe(false);
  expect(newestKeyGiven).toBeLessThan(keyVersion);
}

async function opened(device: DeviceDomain, secret: string): Promise<string> {
  return new TextDecoder().decode(await device.decrypt(secret));
}

async function toldOnFailure(domain: string, life: DeviceLife, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    expect(life.line.breakdowns).toEqual([]);
    for (const { request, answer } of life.line.deliveries) {
      expect(answer.status, `${request.path}: ${answer.body}`).not.toBe(500);
    }
  } catch (error) {
    console.error([`In ${domain}, with the seed ${SEED}:`, ...life.trace].join("\n  "));
    throw error;
  }
}
