import type { TestProject } from "vitest/node";
import { build, SERVERS, type ServerName } from "./builds.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The code of the servers to try. */
    code: Record<ServerName, string>;
  }
}

/** Builds the servers once for all test files. */
export default async function setup({ provide }: TestProject): Promise<void> {
  provide("code", await build(...(Object.keys(SERVERS) as ServerName[])));
}
