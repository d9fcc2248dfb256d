// `npm run demo`: the life of a domain against a running server, told as it happens. Ends with 1 if any step of the
// story is not so.
import assert from "node:assert/strict";
import { DeviceDomain, DeviceDomainError, MemoryStore } from "../src/client/index.ts";
import { encryptToDomain, verifyDomainToken } from "../src/licence/index.ts";
import { scriptOptions } from "./script-options.ts";

scriptOptions("demo", "Tells the life of a domain, on a running server (DOMAIN_SERVER_URL, or the local one).");

const SERVER = (process.env.DOMAIN_SERVER_URL ?? `http://localhost:${process.env.PORT ?? 8787}`).replace(/\/$/, "");
const NAME = `demo-${crypto.randomUUID().slice(0, 8)}`;
const DOMAIN = `${SERVER}/domains/${NAME}`;

try {
  await demo();
} catch (error) {
  const unreachable = error instanceof DeviceDomainError && error.error === "UNREACHABLE";
  console.error(unreachable ? `No server answers at ${SERVER}: start one with "npm run dev".` : error);
  process.exit(1);
}

async function demo(): Promise<void> {
  console.log(`A day in the life of the domain "${NAME}" at ${SERVER}\n`);
  const tv = await newDevice("TV");
  const phone = await newDevice("phone");
  const tablet = await newDevice("tablet");

  await tv.joins({ newMember: true, keyVersion: 1 });
  await phone.joins({ newMember: true, keyVersion: 1 });

  const first = await licence("licence for film 1", 1);
  await tv.opens(first, "licence for film 1");
  await phone.opens(first, "licence for film 1");

  assert.equal(await phone.device.previewLeave(), true);
  console.log("\nThe phone asks whether it may leave: yes. It is still a member.");
  await phone.opens(first, "licence for film 1");
  const held = await keysOf(phone);
  await phone.device.leave();
  assert.equal(phone.device.status, "left");
  console.log("The phone leaves, and forgets its keys.");
  console.log("A rollover is due: nobody encrypts to the key that the phone had.");

  const second = await licence("licence for film 2", 2);
  console.log("  With that the domain made key version 2.");
  await assert.rejects(tv.device.decrypt(second), { error: "KEY_NOT_HELD" });
  assert.deepEqual(await tv.device.renew(), { newMember: false, keyVersion: 2 });
  console.log("The TV renews, and has it.");
  await tv.opens(second, "licence for film 2");
  // A phone that kept its keys, against the rules, has no use for them.
  await assert.rejects(held.decrypt(second), { error: "KEY_NOT_HELD" });
  console.log("  The phone, had it kept its keys, could not open it.");

  await tablet.joins({ newMember: true, keyVersion: 2 });
  await tablet.opens(first, "licence for film 1");
  await tablet.opens(second, "licence for film 2");
  console.log("\nEvery step was as it should be.");
}

type Actor = Awaited<ReturnType<typeof newDevice>>;

/** A device of the story, whose deeds are told and checked. */
async function newDevice(name: string) {
  const store = new MemoryStore();
  const device = await DeviceDomain.open(DOMAIN, { store, retries: 1 });
  return {
    name,
    store,
    device,
    async joins(expected: { newMember: boolean; keyVersion: number }): Promise<void> {
      assert.deepEqual(await device.join(), expected);
      const { key_version } = await verifyDomainToken(device.domainToken as string, {
        authority: SERVER,
        domain: NAME,
      });
      assert.equal(key_version, expected.keyVersion);
      const { keyVersion } = expected;
      console.log(`The ${name} (${short(device.machineGuid)}) joins and holds the key of version ${keyVersion}.`);
    },
    async opens(jwe: string, secret: string): Promise<void> {
      assert.equal(new TextDecoder().decode(await device.decrypt(jwe)), secret);
      console.log(`  The ${name} opens it: "${secret}".`);
    },
  };
}

/** A copy of a device with the keys it has now. */
async function keysOf({ store }: Actor): Promise<DeviceDomain> {
  const copy = new MemoryStore();
  const state = await store.load(DOMAIN);
  assert(state);
  await copy.save(DOMAIN, state);
  return DeviceDomain.open(DOMAIN, { store: copy });
}

/** The part of a licence server: it encrypts to the domain's current key. */
async function licence(secret: string, keyVersion: number): Promise<string> {
  const jwe = await encryptToDomain(DOMAIN, secret);
  console.log(`\nThe licence server encrypts "${secret}" to key version ${keyVersion}: ${short(jwe)}`);
  return jwe;
}

function short(text: string): string {
  return `${text.slice(0, 8)}…`;
}
