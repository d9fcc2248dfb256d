import { configOf, type Environment, type Jurisdiction } from "./config.ts";

/** The regions that D1 names in its answers, by the jurisdiction that they are in. */
const REGIONS: Readonly<Record<Jurisdiction, readonly string[]>> = {
  eu: ["WEUR", "EEUR"],
  us: ["WNAM", "ENAM"],
  fedramp: ["WNAM", "ENAM"],
};

/**
 * The object of a name, in the jurisdiction of this deployment. The location hint counts when the object is made.
 *
 * @throws ConfigError
 */
export function objectNamed<T extends Rpc.DurableObjectBranded | undefined>(
  env: Environment & object,
  namespace: DurableObjectNamespace<T>,
  name: string,
): DurableObjectStub<T> {
  const { jurisdiction, locationHint } = configOf(env);
  const inJurisdiction = jurisdiction === null ? namespace : namespace.jurisdiction(jurisdiction);
  return inJurisdiction.getByName(name, locationHint === null ? {} : { locationHint });
}

/**
 * Whether a database may have run where D1 says it did. D1 keeps its jurisdiction from the day it was made; a binding does
 * not tell it.
 *
 * @param region `served_by_region` of an answer; local databases have none
 */
export function isInJurisdiction(jurisdiction: Jurisdiction | null, region: string | undefined): boolean {
  return jurisdiction === null || region === undefined || REGIONS[jurisdiction].includes(region);
}
