import {
  chmod,
  type FileHandle,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DeviceState } from "../../../src/client/device-state.ts";
import { FileStore, makePrivateFolder } from "../../../src/client/file-store.ts";
import { DeviceDomain } from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { FAKE_DOMAIN_URL, FakeServer, lost, refuse } from "../../support/node/fake-server.ts";
import { startProgram } from "../../support/node/programs.ts";

let server: FakeServer;
let parent: string;
let directory: string;

const open = (url = FAKE_DOMAIN_URL) =>
  DeviceDomain.open(url, { store: new FileStore(directory), fetch: server.fetch, retries: 0 });

const file = async () => join(directory, (await readdir(directory))[0] as string);

/** Has something done before each file or folder is synced. */
async function onSync(act: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await openFile(await file());
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const sync = prototype.sync;
  vi.spyOn(prototype, "sync").mockImplementation(async function (this: FileHandle) {
    await act(this);
    return sync.call(this);
  });
}

beforeEach(async () => {
  server = await FakeServer.start();
  parent = await mkdtemp(join(tmpdir(), "device-store-"));
  directory = join(parent, "devices");
});
afterEach(() => {
  vi.restoreAllMocks();
  return rm(parent, { recursive: true });
});

describe("a device in files", () => {
  it("is found again by the next program, with all it had", async () => {
    const device = await open();
    await device.join();
    const secret = await encryptToDomain(FAKE_DOMAIN_URL, "a secret", { fetch: server.fetch });
    const next = await open();
    expect(next).toMatchObject({ status: "member", currentKeyVersion: 1, machineGuid: device.machineGuid });
    expect(new TextDecoder().decode(await next.decrypt(secret))).toBe("a secret");
    expect(await next.renew()).toEqual({ newMember: false, keyVersion: 1 });
    await next.leave();
    expect(await open()).toMatchObject({ status: "left", currentKeyVersion: null });
  });

  it("is found again with the keys it got from the history, and those it held before", async () => {
    await (await open()).join();
    for (let version = 2; version <= 4; version++) await server.rollOver();
    const secret = await encryptToDomain(FAKE_DOMAIN_URL, "a secret", { fetch: server.fetch });
    await server.rollOver();
    server.retireKeys(3);
    await (await open()).renew();
    await (await open()).decrypt(secret);
    const { credentials } = JSON.parse(await readFile(await file(), "utf8"));
    expect(credentials.map(({ keyVersion }: { keyVersion: number }) => keyVersion)).toEqual([1, 4, 5]);
    expect(await (await open()).renew()).toEqual({ newMember: false, keyVersion: 5 });
  });

  it("finishes a leave that the last program began", async () => {
    const device = await open();
    await device.join();
    server.fates.push(lost);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE" });
    const next = await open();
    expect(next.status).toBe("leaving");
    await next.leave();
    expect(await open()).toMatchObject({ status: "left" });
    const [first, second] = server.seen.filter(({ action }) => action === "deregister");
    expect(first?.proof.idempotencyKey).toBe(second?.proof.idempotencyKey);
  });

  it("is found again as one that was removed, with its keys", async () => {
    await (await open()).join();
    server.fates.push(refuse(403, "DEVICE_BANNED"));
    await expect((await open()).renew()).rejects.toMatchObject({ error: "DEVICE_BANNED" });
    expect(await open()).toMatchObject({ status: "removed", currentKeyVersion: 1 });
  });

  it("owes what is done before a leave to the next program", async () => {
    const store = new FileStore(directory);
    const { keepsCryptoKeys } = store;
    // A program that will be killed: the lock that it holds counts for nothing then.
    const killed = {
      keepsCryptoKeys,
      load: (url: string) => store.load(url),
      save: (url: string, state: DeviceState) => store.save(url, state),
    };
    const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { store: killed, fetch: server.fetch });
    await device.join();
    await new Promise<void>((resolve) => {
      const beforeLeaving = () => {
        resolve();
        return new Promise(() => {});
      };
      void device.leave({ beforeLeaving });
    });
    const next = await open();
    expect(next).toMatchObject({ status: "leaving", currentKeyVersion: 1 });
    await expect(next.leave()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await next.leave({ beforeLeaving: () => {} });
    expect(await open()).toMatchObject({ status: "left" });
  });

  it("has one file for each domain, and nothing else lies about", async () => {
    await open();
    await open(`${new URL(FAKE_DOMAIN_URL).origin}/domains/attic`);
    const names = await readdir(directory);
    expect(names).toHaveLength(2);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{64}\.json$/);
  });

  it("gets a folder that several make at once, with the one above it", async () => {
    const path = join(parent, "homes", "devices");
    await Promise.all(Array.from({ length: 5 }, () => makePrivateFolder(path)));
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it("is one device for all that open it at once, in a folder that is not there yet", async () => {
    directory = join(parent, "homes", "devices");
    const devices = await Promise.all([open(), open(), open()]);
    expect(new Set(devices.map(({ machineGuid }) => machineGuid)).size).toBe(1);
  });

  it("is for the eyes of its owner alone", async () => {
    await (await open()).join();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(await file())).mode & 0o777).toBe(0o600);
  });

  it("leaves no private key of the domain behind when it leaves", async () => {
    const device = await open();
    await device.join();
    const { credentials } = JSON.parse(await readFile(await file(), "utf8"));
    await device.leave();
    const text = await readFile(await file(), "utf8");
    expect(credentials).toHaveLength(1);
    expect(text).not.toContain(credentials[0].privateKey.d);
    expect(text).not.toContain(credentials[0].token);
  });

  it.each<[string, (text: string) => string]>([
    ["cut", (text) => text.slice(0, -20)],
    ["empty", () => ""],
    ["null", () => "null"],
    ["of another domain", (text) => text.replace("/domains/den", "/domains/attic")],
    ["of a later version", (text) => text.replace('"version": 1', '"version": 2')],
    ["without its device key", (text) => text.replace('"signingKey"', '"signing"')],
    ["without its status", (text) => text.replace('"member"', '"guest"')],
    ["with a key of no version", (text) => text.replace('"keyVersion": 1', '"keyVersion": "1"')],
    ["with a key of no name", (text) => text.replace('"kid"', '"id"')],
    ["without its authority", (text) => text.replace('"authority"', '"authorities"')],
    ["with a key twice", (text) => text.replace(/"credentials": \[([^\]]*)\]/, '"credentials": [$1,$1]')],
    ["without a domain's key", (text) => text.replace('"privateKey": {\n        "kty"', '"private": {\n        "kty"')],
    ["in a leave that it does not know", (text) => text.replace('"member"', '"leaving"')],
    ["in a leave that it prepares for nothing", (text) => leavingFrom(text, '"nothing"')],
    ["in a leave out of a leave", (text) => leavingFrom(text, '"leaving"')],
    [
      "in a leave that it prepares, and sent",
      (text) =>
        leavingFrom(text, '"member"').replace('"leave": null', '"leave": { "idempotencyKey": "k", "signedAt": 1 }'),
    ],
    ["a member in a leave", (text) => text.replace("{", '{ "preparing": "member",')],
    ["at no time", (text) => text.replace(/"effectiveAt": [\d.]+/, '"effectiveAt": "now"')],
    ["waiting since no time", (text) => text.replace("{", '{ "unanswered": "now",')],
  ])("is not touched if its file is %s; the error names the file", async (_, spoil) => {
    await (await open()).join();
    const path = await file();
    const text = spoil(await readFile(path, "utf8"));
    await writeFile(path, text);
    await expect(open()).rejects.toMatchObject({ error: "STORE_MALFORMED", message: expect.stringContaining(path) });
    expect(await readFile(path, "utf8")).toBe(text);
    expect(await readdir(directory)).toHaveLength(1);
  });

  /** The file of a member, as that of a device that prepares to leave. */
  function leavingFrom(text: string, preparing: string): string {
    return text.replace('"member"', '"leaving"').replace("{", `{ "preparing": ${preparing},`);
  }

  describe("after a program that was killed in mid-writing", () => {
    /** The drafts of a killed program: one of this domain, one of another. */
    async function leaveDrafts(): Promise<void> {
      const path = await file();
      const draft = await readFile(path);
      const other = join(directory, `${"0".repeat(64)}.json`);
      for (const each of [path, other]) await writeFile(`${each}.6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77.tmp`, draft);
    }

    it("erases its drafts of a domain once the device there changes", async () => {
      const device = await open();
      await device.join();
      await leaveDrafts();
      await device.renew();
      const names = await readdir(directory);
      expect(names).toHaveLength(2);
      expect(names.filter((name) => name.endsWith(".tmp"))).toEqual([expect.stringMatching(/^0{64}/)]);
    });

    it("has no domain key in any file of a domain once it has left", async () => {
      const device = await open();
      await device.join();
      await leaveDrafts();
      await device.leave();
      const names = (await readdir(directory)).filter((name) => !name.startsWith("0000"));
      expect(names).toHaveLength(1);
      expect(JSON.parse(await readFile(join(directory, names[0] as string), "utf8")).credentials).toEqual([]);
    });

    it("touches no file of others, and no draft where it only reads: another program may be writing it", async () => {
      await (await open()).join();
      const foreign = join(directory, "notes.tmp");
      await writeFile(foreign, "of somebody else");
      await leaveDrafts();
      const before = await readdir(directory);
      const store = new FileStore(directory);
      expect(await store.load(FAKE_DOMAIN_URL)).toMatchObject({ status: "member" });
      expect(await store.list()).toHaveLength(1);
      await open();
      expect(await readdir(directory)).toEqual(before);
      await (await open()).renew();
      expect(await readFile(foreign, "utf8")).toBe("of somebody else");
    });
  });

  it.each(["777", "750", "701"])(
    "is neither read nor written in a folder of mode %s, which others may enter",
    async (mode) => {
      const store = new FileStore(directory);
      await open();
      const state = (await store.load(FAKE_DOMAIN_URL)) as DeviceState;
      await chmod(directory, Number.parseInt(mode, 8));
      const refused = { error: "STORE_NOT_PRIVATE", message: expect.stringContaining(`chmod 700 ${directory}`) };
      await expect(store.load(FAKE_DOMAIN_URL)).rejects.toMatchObject(refused);
      await expect(store.save(FAKE_DOMAIN_URL, { ...state, status: "left" })).rejects.toMatchObject(refused);
      await expect(open()).rejects.toMatchObject(refused);
      await chmod(directory, 0o700);
      expect(await store.load(FAKE_DOMAIN_URL)).toEqual(state);
    },
  );

  it("is neither read nor written in another user's folder", async () => {
    await mkdir(directory, { mode: 0o700 });
    const uid = (process.getuid as () => number)();
    vi.spyOn(process, "getuid").mockReturnValue(uid + 1);
    const refused = { error: "STORE_NOT_PRIVATE", message: expect.stringContaining(directory) };
    await expect(open()).rejects.toMatchObject(refused);
    expect(await readdir(directory)).toEqual([]);
  });

  describe("that two have", () => {
    it("leaves after a renewal that is tried again, and is not brought back by it", async () => {
      const [one, other] = [await open(), await open()];
      await one.join();
      server.fates.push(lost);
      let leave: Promise<void> | undefined;
      const pause = async () => {
        // A leave that did not wait would have ended by then.
        await expect(other.leave({ signal: AbortSignal.timeout(200) })).rejects.toThrow("timeout");
        expect(await new FileStore(directory).load(FAKE_DOMAIN_URL)).toMatchObject({ status: "member" });
        leave = other.leave();
      };
      const renewing = { store: new FileStore(directory), fetch: server.fetch, pause };
      const device = await DeviceDomain.open(FAKE_DOMAIN_URL, renewing);
      expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
      await leave;
      expect(await open()).toMatchObject({ status: "left", currentKeyVersion: null });
      expect(server.seen.map(({ action }) => action)).toEqual(["register", "register", "register", "deregister"]);
    });

    it("is changed by both in turn, whatever the folder is called", async () => {
      const link = join(parent, "link");
      await (await open()).join();
      await symlink(directory, link);
      const stores = [new FileStore(directory), new FileStore(link), new FileStore(join(directory, "..", "devices"))];
      let working = 0;
      const work = async () => {
        expect(++working).toBe(1);
        await readdir(directory);
        working--;
      };
      await Promise.all(stores.map((store) => store.exclusively(FAKE_DOMAIN_URL, undefined, work)));
      expect(await readdir(directory)).toHaveLength(1);
    });

    it.each(["ends", "is killed"])(
      "is read while another program changes it, and changed once that %s",
      { timeout: 60_000 },
      async (how) => {
        await (await open()).join();
        const store = new FileStore(directory);
        const args = ["test/support/node/holding-device.ts", FAKE_DOMAIN_URL, directory];
        const { process: holder } = await startProgram(process.execPath, args);
        const change = async () => "changed";
        const waiting = store.exclusively(FAKE_DOMAIN_URL, AbortSignal.timeout(200), change);
        await expect(waiting).rejects.toThrow("timeout");
        expect(await store.load(FAKE_DOMAIN_URL)).toMatchObject({ status: "member" });
        expect(await store.list()).toHaveLength(1);
        // Another device's turns are its own.
        expect(await store.exclusively(`${FAKE_DOMAIN_URL}-2`, undefined, change)).toBe("changed");
        const changed = store.exclusively(FAKE_DOMAIN_URL, undefined, change);
        if (how === "ends") holder.stdin?.end();
        else holder.kill("SIGKILL");
        expect(await changed).toBe("changed");
        expect(await readdir(directory)).toHaveLength(1);
      },
    );
  });

  it("is in its place for good once it is saved: the folder is synced after the file was renamed", async () => {
    await open();
    const seen: string[] = [];
    await onSync(async (handle) => {
      if ((await handle.stat()).isDirectory()) seen.push(await readFile(await file(), "utf8"));
    });
    await (await open()).join();
    expect(seen.at(-1)).toBe(await readFile(await file(), "utf8"));
  });

  it("is not opened anew where its file cannot be read", async () => {
    await writeFile(directory, "a file in the way");
    await expect(open()).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  it("keeps the old file, and no other, if the new one cannot be written", async () => {
    const store = new FileStore(directory);
    await open();
    const before = await readFile(await file(), "utf8");
    // JSON has no such numbers.
    await expect(store.save(FAKE_DOMAIN_URL, { version: 1n } as never)).rejects.toThrow(TypeError);
    expect(await readdir(directory)).toHaveLength(1);
    expect(await readFile(await file(), "utf8")).toBe(before);
  });
});
