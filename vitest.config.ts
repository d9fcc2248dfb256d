import { availableParallelism } from "node:os";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { newKeyEncryptionKey, newSigningKey } from "./scripts/local-secrets.ts";
import { newTestIssuers } from "./test/support/issuers.ts";

const issuers = await newTestIssuers();

/** In milliseconds: far longer than a test takes on a busy machine. */
const TIMEOUT = 240_000;

const unit = {
  test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: TIMEOUT },
};

/** The pool that runs a Worker in workerd with the bindings that the tests expect, on the tables of a folder. */
const inWorkerd = (main: string, migrations: string, { answerAfter = "object", moreDatabases = [] as string[] } = {}) =>
  cloudflareTest(async () => ({
    main,
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: {
      ...(moreDatabases.length > 0 && { d1Databases: ["DB", ...moreDatabases] }),
      bindings: {
        ADMIN_TOKEN: "an-admin-token-for-tests-of-some-length",
        KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: [newKeyEncryptionKey()] }),
        DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [await newSigningKey()] }),
        DOMAIN_SERVER_URL: "https://domains.example",
        TRUSTED_ISSUERS: JSON.stringify(issuers.trusted),
        ANSWER_AFTER: answerAfter,
        TEST_LITERAL: main.includes("literal"),
        TEST_ISSUER_KEYS: issuers.keys,
        TEST_MIGRATIONS: await readD1Migrations(migrations),
      },
    },
  }));

const worker = {
  plugins: [inWorkerd("src/server/index.ts", "./migrations")],
  test: {
    name: "worker",
    include: ["test/worker/**/*.test.ts"],
    setupFiles: ["test/support/worker/apply-migrations.ts", "test/support/worker/scan-log.ts"],
    testTimeout: TIMEOUT,
  },
};

/** The tests of the rules, for another Worker or another configuration that must do the same. */
const sameRules = (name: string, pool: ReturnType<typeof inWorkerd>, ...more: readonly string[]) => ({
  plugins: [pool],
  test: {
    name,
    include: ["registration", "deregistration", "signed-requests", "sealed-keys", ...more].map(
      (subject) => `test/worker/${subject}.test.ts`,
    ),
    setupFiles: ["test/support/worker/apply-migrations.ts", "test/support/worker/scan-log.ts"],
    testTimeout: TIMEOUT,
  },
});

const afterDatabase = sameRules(
  "after-database",
  inWorkerd("src/server/index.ts", "./migrations", { answerAfter: "database" }),
  "idempotency",
  "concurrency",
  "answer-after",
);

// The Worker that the benchmark measures against must do the same, or it proves nothing to be faster than it.
const literal = sameRules("literal", inWorkerd("bench/literal/index.ts", "./bench/literal"));

// Domains over three databases.
const databases = {
  plugins: [inWorkerd("src/server/index.ts", "./migrations", { moreDatabases: ["DB_2", "DB_10"] })],
  test: {
    name: "databases",
    include: ["test/databases/**/*.test.ts"],
    setupFiles: ["test/support/worker/apply-to-databases.ts", "test/support/worker/scan-log.ts"],
    testTimeout: TIMEOUT,
  },
};

const e2e = {
  test: {
    name: "e2e",
    include: ["test/e2e/**/*.test.ts"],
    globalSetup: ["test/support/node/prepared-server.ts"],
    testTimeout: TIMEOUT,
    hookTimeout: TIMEOUT,
  },
};

// Many requests, kills and rubbish for a built Worker; `npm run torture` is the same for hours.
const model = {
  test: {
    name: "model",
    include: ["test/model/**/*.test.ts"],
    globalSetup: ["test/model/global-setup.ts"],
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
};

/** The files that take longest, the longest first. */
const LONG = [
  ...["model/broken-servers", "worker/d1-faults", "e2e/recipes", "e2e/dev-command", "e2e/key-rotation"],
  ...["model/histories", "e2e/other-languages", "e2e/scripts", "e2e/faults", "e2e/lost-answers", "e2e/migrating"],
  ...["model/kills", "model/database-faults", "model/overload", "e2e/authority-rotation", "databases/databases"],
];

/** Begins with the files that take longest, of whatever project: at the end, they would run alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return place === -1 ? LONG.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  // Most tests wait for something: on two cores, too, four files run beside each other.
  test: {
    maxWorkers: Math.max(4, availableParallelism() - 1),
    sequence: { sequencer: LongestFirst },
    projects: [unit, worker, afterDatabase, literal, databases, e2e, model],
    silent: "passed-only",
  },
});
