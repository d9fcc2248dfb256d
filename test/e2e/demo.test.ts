import { spawn } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startServer } from "../support/node/server.ts";

let server: Awaited<ReturnType<typeof startServer>>;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** Runs the demo against a server. */
function demo(url: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["scripts/demo.ts"], { env: { ...process.env, DOMAIN_SERVER_URL: url } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => child.on("exit", (code) => resolve({ code, output })));
}

it("npm run demo tells its story to the end", async () => {
  const { code, output } = await demo(server.url);
  expect(output).toContain("Every step was as it should be.");
  expect(code).toBe(0);
});

it("npm run demo fails, with a sentence, where no server answers", async () => {
  const { code, output } = await demo("http://localhost:9");
  expect(output.trim()).toMatch(/^No server answers at .*: start one with "npm run dev"\.$/m);
  expect(code).toBe(1);
});
