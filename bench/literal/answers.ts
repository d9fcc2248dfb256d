import type { Refusal } from "../../src/domain/refusals.ts";

/** The object's outcomes: plain data, because errors lose their class on the way to the Worker. */
export type Answer<Grant> = Readonly<{ granted: true; grant: Grant } | { granted: false; refusal: Refusal }>;

/** An answer that refuses. */
export function refuse(error: Refusal["error"], reason: string): Answer<never> {
  return { granted: false, refusal: { error, reason } };
}
