import { openApiDocument } from "../src/openapi/document.ts";

/** The messages of devices and licence servers, by the names of their schemas. */
const MESSAGES = [
  "Registration",
  "SignedRegistration",
  "RegistrationResponse",
  "Deregistration",
  "SignedDeregistration",
  "DeregistrationResponse",
  "Domain",
  "DomainKeySet",
  "RolloverResponse",
  "KeyHistory",
  "AuthorityKeySet",
] as const;

/** Problems that only operators get. */
const OPERATORS_PROBLEMS = /^(Admin|DomainExists)/;

/**
 * The JSON Schema of the protocol's messages, in `$defs`: those that the API's description has, which come from the
 * schemas that the server checks requests with.
 *
 * @see JSON Schema 2020-12, which OpenAPI 3.1 schemas are
 */
export function protocolSchema() {
  const schemas = openApiDocument("").components?.schemas ?? {};
  const problems = Object.keys(schemas).filter((name) => name.endsWith("Problem") && !OPERATORS_PROBLEMS.test(name));
  const names = new Set<string>([...MESSAGES, ...problems]);
  // A set that grows is walked to its end: so the schemas that a schema refers to are found, too.
  for (const name of names) {
    for (const [, other = ""] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g))
      names.add(other);
  }
  const definitions = Object.fromEntries([...names].sort().map((name) => [name, schemas[name]]));
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Messages of the device-domain protocol",
    $defs: JSON.parse(JSON.stringify(definitions).replaceAll("#/components/schemas/", "#/$defs/")),
  };
}
