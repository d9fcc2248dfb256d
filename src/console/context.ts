import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { DomainOperator, Operator } from "../operator/index.ts";

/** The context of every view. */
type Console = Readonly<{
  operator: DomainOperator;
  /** Who is signed in, and what they may do; null until the server has said so. */
  identity: Operator | null;
  /** Tells the operator that something was done. */
  say: (outcome: string) => void;
  /** Whether the view has something that is lost with it: then the operator is asked first. */
  unsaved: { current: boolean };
  /** Whether the operator navigated here, so that the focus must follow; on a fresh page it must not. */
  arrived: boolean;
}>;

/** Carries it down the tree. */
export const ConsoleContext = createContext<Console | null>(null);

/** The context of the view. */
export function useConsole(): Console {
  return useContext(ConsoleContext) as Console;
}
