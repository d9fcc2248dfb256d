import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** Starts another program, and waits until it says something. */
export async function startProgram(
  command: string,
  args: readonly string[],
): Promise<{ process: ChildProcess; said: string }> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const [said] = await once(child.stdout, "data");
  return { process: child, said: String(said) };
}
