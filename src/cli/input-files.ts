import { readFile } from "node:fs/promises";
import { CommandError } from "./failures.ts";

/** The text of a file that was named. @throws CommandError `UNREADABLE_FILE` */
export function contentOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch(unreadable(file));
}

/** The error of a named file that cannot be read. */
export function unreadable(file: string) {
  return (cause: unknown): never => {
    throw new CommandError("UNREADABLE_FILE", `${file} cannot be read.`, { cause });
  };
}
