#!/usr/bin/env node
import { EXIT } from "./failures.ts";
import { run } from "./program.ts";

// Ctrl-C ends what is under way; a leave that was begun is finished by the next one.
const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());

const code = await run({
  arguments: process.argv.slice(2),
  environment: process.env,
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  signal: interruption.signal,
});
process.exitCode = interruption.signal.aborted ? EXIT.interrupted : code;
