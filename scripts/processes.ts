import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Linux counts processor time in ticks, 100 a second wherever Node runs. */
const TICKS_PER_SECOND = 100;

/** The processes of that name which this one started itself. */
export function childrenNamed(name: string): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const stat = statOf(pid);
      return stat !== null && stat.name === name && stat.parent === process.pid;
    });
}

/** The processor time a process has used, in seconds. */
export function cpuSeconds(pid: number): number {
  return (statOf(pid)?.ticks ?? 0) / TICKS_PER_SECOND;
}

/** Forgets the most memory a process has held, so that the next reading is of what comes from now on. */
export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** The most memory a process has held since the last reset, in bytes. */
export function peakMemoryBytes(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

/** @see proc_pid_stat(5) */
function statOf(pid: number): { name: string; parent: number; ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = text.lastIndexOf(")");
    const fields = text.slice(end + 2).split(" ");
    return {
      name: text.slice(text.indexOf("(") + 1, end),
      parent: Number(fields[1]),
      ticks: Number(fields[11]) + Number(fields[12]),
    };
  } catch {
    return null;
  }
}
