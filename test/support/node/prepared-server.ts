import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { prepareServer } from "./server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The folder that `prepareServer` filled: each server starts from a copy of it. */
    preparedServer: string;
  }
}

/** Prepares the server once for all test files: building it and migrating its database take longer than a start. */
export default async function setup({ provide }: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "prepared-server-"));
  await prepareServer(folder);
  provide("preparedServer", folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
