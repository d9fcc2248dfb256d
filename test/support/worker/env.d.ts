declare namespace Cloudflare {
  interface Env {
    TEST_LITERAL: boolean;
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
    TEST_ISSUER_KEYS: Record<import("../issuers.ts").TestNamespace, import("jose").JWK>;
  }
}
