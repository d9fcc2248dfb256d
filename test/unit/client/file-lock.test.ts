import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withLock } from "../../../src/client/file-lock.ts";
import { startProgram } from "../../support/node/programs.ts";

/** No system gives a process such a number. */
const NO_PROCESS = 2 ** 30;

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "file-lock-"));
  path = join(directory, "device.json");
});
afterEach(() => rm(directory, { recursive: true }));

/** The lock of another program. */
async function leaveLock(holder: string): Promise<void> {
  await mkdir(`${path}.lock`);
  await writeFile(join(`${path}.lock`, holder), "");
}

const take = (signal?: AbortSignal) => withLock(path, signal, async () => "done");

describe("a lock", () => {
  it("is held by one at a time, also where many take over that of a killed program", async () => {
    await leaveLock(`${NO_PROCESS}.unknown.6f1c7a52`);
    let working = 0;
    const work = async () => {
      expect(++working).toBe(1);
      await readdir(directory);
      return --working;
    };
    expect(await Promise.all(Array.from({ length: 20 }, () => withLock(path, undefined, work)))).toEqual(
      Array(20).fill(0),
    );
    expect(await readdir(directory)).toEqual([]);
  });

  it("is let go of by work that fails", async () => {
    const fail = async () => {
      throw new Error("failed");
    };
    await expect(withLock(path, undefined, fail)).rejects.toThrow("failed");
    expect(await take()).toBe("done");
  });

  it("is waited for until the signal aborts, and not looked at after that", async () => {
    await leaveLock(`${process.pid}.unknown.6f1c7a52`);
    const enough = AbortSignal.timeout(200);
    await expect(take(enough)).rejects.toThrow("timeout");
    await rm(`${path}.lock`, { recursive: true });
    await expect(take(enough)).rejects.toThrow("timeout");
    expect(await take()).toBe("done");
  });

  it.each(["", "notes.txt"])("is free where its folder holds nothing but %j", async (name) => {
    await (name === "" ? mkdir(`${path}.lock`) : leaveLock(name));
    expect(await take()).toBe("done");
    expect(await readdir(directory)).toEqual([]);
  });

  it("fails where its folder is gone", async () => {
    await expect(withLock(join(directory, "none", "device.json"), undefined, take)).rejects.toMatchObject({
      code: "ENOENT",
    });
  });
});

describe.runIf(process.platform === "linux")("a lock on Linux", () => {
  it("is free if its holder's number is another process's now", async () => {
    await leaveLock(`${process.pid}.1.6f1c7a52`);
    expect(await take()).toBe("done");
  });

  it("is free if its holder was killed, and its parent does not ask for that", async () => {
    const parent = await startProgram("sh", ["-c", "sleep 600 & echo $!; exec sleep 600"]);
    const pid = Number(parent.said);
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    await leaveLock(`${pid}.${stat.split(" ")[21]}.6f1c7a52`);
    process.kill(pid, "SIGKILL");
    expect(await take()).toBe("done");
    expect(await readFile(`/proc/${pid}/stat`, "utf8")).toContain(" Z ");
    parent.process.kill();
    await once(parent.process, "exit");
  });
});
