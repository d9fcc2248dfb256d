import { defineConfig } from "vitest/config";

// Apart from the other tests, because these need Chromium. One after the other, on one server and in one browser.
export default defineConfig({
  test: {
    name: "browser",
    include: ["test/browser/**/*.test.ts"],
    globalSetup: ["test/support/node/prepared-server.ts"],
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
  },
});
