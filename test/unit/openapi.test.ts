import fc from "fast-check";
import { calculateJwkThumbprint, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { problemPages } from "../../scripts/problem-pages.ts";
import { domainNameProblem } from "../../src/domain/names.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { EXPLANATIONS } from "../../src/openapi/explanations.ts";
import { PROBLEMS } from "../../src/server/http/problems.ts";
import {
  deregisterBody,
  keysQuery,
  registerBody,
  retiredKeysBody,
  rolloverBody,
  settingsBody,
  settingsMergeBody,
} from "../../src/server/http/schemas.ts";
import { type ApiDocument, Contract } from "../support/node/contract.ts";

const document = openApiDocument("0.0.0") as unknown as ApiDocument;
const contract = new Contract(document);

describe("the API's description", () => {
  it("has an example of every request, answer and problem, each as its schema has it", () => {
    expect(contract.exampleViolations()).toEqual([]);
  });

  it("has a component for every problem", () => {
    const { schemas } = document.components as unknown as {
      schemas: Record<string, { properties?: { error?: { const?: string } } }>;
    };
    const described = Object.values(schemas).flatMap((schema) => schema.properties?.error?.const ?? []);
    expect(described.toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
  });

  it("promises every problem of some operation", () => {
    const errors = new Set(contract.promises().flatMap(({ error }) => error ?? []));
    expect([...errors].toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
  });

  it.each([
    ["register", registerBody],
    ["deregister", deregisterBody],
    ["replaceSettings", settingsBody],
    ["changeSettings", settingsMergeBody],
    ["rollOver", rolloverBody],
    ["retireKeys", retiredKeysBody],
  ])("takes for a body of %s what the server does", (id, schema) => {
    const member = fc.oneof(
      fc.constantFrom("machineGuid", "afterKeyVersion", "credentials", "encryptionKey", "preview", "when", "other"),
      fc.constantFrom("authenticationRequired", "authNamespace", "maxMembership", "deviceKeyRequired"),
      fc.constantFrom("rolloverIntervalSeconds", "retireAfterDays", "upTo", "olderThanDays"),
    );
    const value = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 36_499, max: 36_501 }),
      fc.integer({ min: 31_535_999, max: 31_536_001 }),
      fc.double(),
      fc.string(),
      fc.uuid(),
      fc.constantFrom("now", "all", "newest", {}, []),
    );
    const body = fc.oneof(fc.dictionary(member, value, { maxKeys: 3 }), fc.record({ machineGuid: fc.uuid() }), value);
    const operation = contract.operation(id);
    fc.assert(
      fc.property(body, (sent) => {
        const json = JSON.parse(JSON.stringify(sent));
        const described = contract.requestViolations(operation, "application/json", json).length === 0;
        expect(described).toBe(schema.safeParse(json).success);
      }),
      { numRuns: 500 },
    );
  });

  it("takes for a part of a key set's query what the server does", () => {
    const operation = contract.operation("getDomainKeys");
    const names = operation.parameters?.flatMap(({ in: place, name }) => (place === "query" ? [name] : []));
    expect(names?.toSorted()).toEqual(Object.keys(keysQuery.shape).toSorted());
    const text = fc.oneof(
      fc.integer({ min: -2, max: 200 }).map(String),
      fc.constantFrom("", "x", "1.5", "x".repeat(128), "x".repeat(129)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...(names ?? [])), text, (name, each) => {
        const described = contract.queryViolations(operation, { [name]: each }).length === 0;
        expect(described).toBe(keysQuery.safeParse({ [name]: each }).success);
      }),
      { numRuns: 300 },
    );
  });

  it("names each domain key of its examples by its thumbprint", async () => {
    const keys = [...JSON.stringify(document).matchAll(/\{"kty":"EC"[^{}]*"key_version":[^{}]*\}/g)].map(
      ([json]) => JSON.parse(json) as JWK,
    );
    expect(keys.length).toBeGreaterThan(2);
    for (const key of keys) expect(key.kid).toBe(await calculateJwkThumbprint(key));
  });

  it("takes for a domain name what the server does", () => {
    const { DomainName } = document.components.schemas as unknown as {
      DomainName: { pattern: string; maxLength: number };
    };
    const described = (name: string) =>
      new RegExp(DomainName.pattern, "u").test(name) && name.length <= DomainName.maxLength;
    const character = fc.oneof(fc.constantFrom(..."aZ09._:@~-/ \n"), fc.string({ minLength: 1, maxLength: 1 }));
    const name = fc.oneof(
      fc.string({ unit: character, maxLength: 6 }),
      fc.string({ unit: fc.constant("a"), minLength: 126, maxLength: 130 }),
    );
    fc.assert(
      fc.property(name, (each) => described(each) === (domainNameProblem(each) === null)),
      { numRuns: 2_000 },
    );
  });
});

describe("the pages of problems", () => {
  const pages = problemPages();

  it.each(Object.entries(PROBLEMS))("say of %s what happened and what to do", (name, { title, status }) => {
    const page = pages[`problems/${name.toLowerCase().replaceAll("_", "-")}.html`] ?? "";
    const text = textOf(page);
    const { happened, todo } = EXPLANATIONS[name as keyof typeof EXPLANATIONS];
    for (const part of [name, title, String(status), happened, todo]) expect(text).toContain(part);
    expect(textOf(pages["problems/index.html"] ?? "")).toContain(name);
  });

  it("hold no script, and no style but the file beside them", () => {
    expect(Object.values(pages).filter((page) => /<script|<style|\son[a-z]+=|\sstyle=/i.test(page))).toEqual([]);
  });
});

/** The text of a page, without markup. */
function textOf(html: string): string {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return html.replaceAll(/<[^>]*>/g, "").replaceAll(/&([a-z#0-9]+);/g, (_, name: string) => entities[name] as string);
}
