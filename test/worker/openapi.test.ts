import { describe, expect, it } from "vitest";
import { openApiDocument } from "../../src/openapi/document.ts";
import { createApp } from "../../src/server/app.ts";

/** For people: no part of the API. */
const PAGES = ["GET /", "GET /devices"];
const METHODS = ["get", "put", "post", "patch", "delete", "options", "head"];

describe("the API's description", () => {
  it("has the Worker's routes, and no others", () => {
    const { paths = {} } = openApiDocument("0.0.0");
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).flatMap((method) => (METHODS.includes(method) ? [`${method.toUpperCase()} ${path}`] : [])),
    );
    // A route has an entry for each of its handlers; those for any method are not there to answer.
    const routes = createApp()
      .routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    expect([...described, ...PAGES].toSorted()).toEqual([...new Set(routes)].toSorted());
    expect(described.length).toBeGreaterThan(20);
  });
});
