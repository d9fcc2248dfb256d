import type { DomainEvent, DomainState } from "./types.ts";

/** The event of a domain that comes into being; nothing if it is there. */
export function creationEvents({ revision, keyVersion }: DomainState): readonly DomainEvent[] {
  if (revision > 0) return [];
  return [keyVersion === 0 ? { type: "domain-created" } : { type: "domain-created", keyVersion }];
}
