#!/usr/bin/env node
import { run } from "./program.ts";

// Ctrl-C ends what is under way; a leave that was begun is finished by the next one.
const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());

process.exitCode = await run({
  arguments: process.argv.slice(2),
  environment: process.env,
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  signal: interruption.signal,
});
