import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pauseByClock } from "./retries.ts";

/** The time between two looks at a lock that another program holds. */
const PAUSE_MILLISECONDS = 50;

/** The system's error codes of a renaming to where a full folder is; on Windows `EPERM`. `ENOENT`: the draft was erased. */
const TAKEN: readonly string[] = ["ENOTEMPTY", "EEXIST", "EPERM", "ENOENT"];

/**
 * Runs work while no other program of this machine holds the lock of a path. The lock of a killed program is taken over.
 *
 * The lock is a folder with one empty file, which is named after the holder. It is made elsewhere and renamed into place,
 * which fails while another holder's file is there: no lock is ever seen without its holder. Each holder's name is
 * unique, so erasing that of a killed holder erases no other's.
 */
export async function withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const holder = `${process.pid}.${await startOf(process.pid)}.${randomUUID()}`;
  signal?.throwIfAborted();
  while (!(await take(lock, holder))) await pauseByClock(PAUSE_MILLISECONDS, signal);
  try {
    return await work();
  } finally {
    await rm(join(lock, holder), { force: true });
    await removeIfEmpty(lock);
  }
}

/** @returns whether the lock is now this holder's */
async function take(lock: string, holder: string): Promise<boolean> {
  if (await isHeld(lock)) return false;
  const draft = `${lock}.${randomUUID()}.tmp`;
  await mkdir(draft, { mode: 0o700 });
  try {
    await writeFile(join(draft, holder), "");
    // Windows renames no folder to where an empty one is.
    await removeIfEmpty(lock);
    await rename(draft, lock);
    return true;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (TAKEN.includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** Whether a running process holds a lock. What killed ones left in it is erased. */
async function isHeld(lock: string): Promise<boolean> {
  const holders = await readdir(lock).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  for (const holder of holders) {
    if (await isRunning(holder)) return true;
    await rm(join(lock, holder), { force: true });
  }
  return false;
}

/** Does nothing if the folder is full or missing. */
function removeIfEmpty(folder: string): Promise<void> {
  return rmdir(folder).catch(() => {});
}

async function isRunning(holder: string): Promise<boolean> {
  const [pid, start] = holder.split(".");
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // It is another user's.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const startNow = await startOf(Number(pid));
  return start === startNow || [start, startNow].includes("unknown");
}

/**
 * When the process of a number began, which tells it from later ones of the same number: in ticks since the machine
 * began. `unknown` where that cannot be read: only Linux has it. `ended` for a killed process that its parent ignores.
 *
 * @see proc_pid_stat(5)
 */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name before the state may hold spaces and parentheses.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" ? "ended" : (fields[18] ?? "unknown");
}
