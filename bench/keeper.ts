// Outlives the bench, whatever ends that: a process that is killed can neither end what it started nor tidy up. The
// bench names to it every process it starts and the folder it works in; when its channel closes, they go.
import { rmSync } from "node:fs";

/** A message of the bench to its keeper: a folder, or a process. */
export type Kept = Readonly<{ folder: string } | { pid: number }>;

const kept: Kept[] = [];
process.on("message", (message: Kept) => kept.push(message));
process.on("disconnect", () => {
  for (const each of kept) if ("pid" in each) end(each.pid);
  for (const each of kept) if ("folder" in each) rmSync(each.folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
});
// An interrupt from a terminal interrupts this process too, which comes last.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already, as it should have.
  }
}
