#!/usr/bin/env node
import { addAbortSignal } from "node:stream";
import { EXIT } from "./failures.ts";
import { run } from "./program.ts";

// Ctrl-C ends what is under way; a leave that was begun is finished by the next one.
const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());

// A reader that has enough, such as head, closes the pipe.
whenClosed(process.stdout, () => process.exit(EXIT.done));
// What is under way goes on, and the exit code tells how it ended.
whenClosed(process.stderr, () => {});

const code = await run({
  arguments: process.argv.slice(2),
  environment: process.env,
  // Closed by the signal, too: a process does not end while it reads an open input.
  input: addAbortSignal(interruption.signal, process.stdin),
  output: process.stdout,
  errors: process.stderr,
  signal: interruption.signal,
});
process.exitCode = interruption.signal.aborted ? EXIT.interrupted : code;

/** Does something when nobody reads a stream any more. */
function whenClosed(stream: NodeJS.WritableStream, act: () => void): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    act();
  });
}
