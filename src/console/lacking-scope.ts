import { useContext } from "preact/hooks";
import type { Operator } from "../operator/index.ts";
import { ConsoleContext } from "./context.ts";

/** A scope of an operator. */
export type OperatorScope = Operator["scopes"][number];

/** Why the operator may not do something; null if they may, or if that is not known yet. */
export function useLackOf(scope: OperatorScope | undefined): string | null {
  const scopes = useContext(ConsoleContext)?.identity?.scopes;
  if (scope === undefined || !scopes || scopes.includes(scope)) return null;
  return `This needs the scope ${scope}, which you do not have.`;
}
