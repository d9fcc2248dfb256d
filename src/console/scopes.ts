import { useContext } from "preact/hooks";
import { ConsoleContext } from "./context.ts";

/** What operators may do, in the words of the server. */
export type Scope = "domains:read" | "domains:write" | "domains:evict" | "metrics:read";

/** Why the operator may not do something; null if they may, or if that is not known yet. */
export function useLackOf(scope: Scope | undefined): string | null {
  const scopes = useContext(ConsoleContext)?.identity?.scopes;
  if (scope === undefined || !scopes || scopes.includes(scope)) return null;
  return `This needs the scope ${scope}, which you do not have.`;
}
