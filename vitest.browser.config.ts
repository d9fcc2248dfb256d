import { defineConfig } from "vitest/config";

// Apart from the other tests, because these need Chromium. Two at once, each on one server and in one browser.
export default defineConfig({
  test: {
    name: "browser",
    include: ["test/browser/**/*.test.ts"],
    globalSetup: ["test/support/node/prepared-server.ts"],
    maxWorkers: 2,
    isolate: false,
    testTimeout: 120_000,
  },
});
