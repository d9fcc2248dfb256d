import { createContext } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import type { CallOptions, Page, PagedList } from "../operator/index.ts";
import { type Failure, failureOf } from "./failures.ts";

/** Something that is fetched: what is there so far, and what went wrong with the last try. */
export type Loaded<Value> = Readonly<{ value: Value | null; failure: Failure | null; busy: boolean }>;

/** The page's handlers for requests of its views. */
export const Surroundings = createContext<
  Readonly<{
    /** Everything is fetched again when it changes. */
    turn: number;
    /** Told that an action begins. */
    onAction: () => void;
    /** Whether the page says itself that the server cannot be reached. */
    isLost: boolean;
  }>
>({ turn: 0, onAction: () => {}, isLost: false });

const NOTHING = { value: null, failure: null, busy: true } as const;

/**
 * Fetches a value, and again on `reload` or when what it depends on changes. A stale answer is dropped. While the server
 * cannot be asked, the value stays.
 *
 * @param subject what the value is about: a value of another subject is dropped
 * @param version changes when the value may have changed
 */
export function useLoaded<Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  subject: readonly unknown[],
  version: unknown = null,
): Loaded<Value> & Readonly<{ reload: () => void; replace: (before: Value, after: Value) => void }> {
  const [state, setState] = useState<Loaded<Value>>(NOTHING);
  const [turn, setTurn] = useState(0);
  const { turn: turnOfAll, isLost } = useContext(Surroundings);
  const keepsFor = useRef<readonly unknown[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    setState((before) => ({ ...before, failure: null, busy: true }));
    load(signal).then(
      (value) => {
        if (signal.aborted) return;
        keepsFor.current = subject;
        setState({ value, failure: null, busy: false });
      },
      (thrown) => {
        if (signal.aborted) return;
        const failure = failureOf(thrown);
        const stays = failure.passes && subject.every((part, index) => part === keepsFor.current[index]);
        setState(({ value }) => ({ value: stays ? value : null, failure, busy: false }));
      },
    );
    return () => controller.abort();
  }, [...subject, version, turn, turnOfAll]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const replace = useCallback((before: Value, after: Value) => {
    // Not if it was fetched again meanwhile.
    setState((now) => (now.value === before ? { ...now, value: after } : now));
  }, []);
  // The page already shows this failure.
  const failure = isLost && state.value !== null ? null : state.failure;
  return { ...state, failure, reload, replace };
}

/** A list that is fetched page by page, from the beginning again on `reload` or when what it depends on changes. */
export function usePages<Item>(
  list: () => PagedList<Item>,
  subject: readonly unknown[],
  version: unknown = null,
): Loaded<readonly Item[]> & Readonly<{ more: (() => void) | null; reload: () => void }> {
  const load = (cursor: string | null, call?: CallOptions) => list().page(cursor, call);
  const { value, failure, busy, reload, replace } = useLoaded<Page<Item>>(
    (signal) => load(null, { signal }),
    subject,
    version,
  );
  const next = useAction();
  const cursor = value?.nextCursor ?? null;
  const more = () =>
    next.run(async () => {
      if (!value) return;
      const { items, nextCursor } = await load(cursor);
      replace(value, { items: [...value.items, ...items], nextCursor });
    });
  return {
    value: value?.items ?? null,
    failure: failure ?? next.failure,
    busy: busy || next.busy,
    more: cursor === null ? null : more,
    reload,
  };
}

/** Something an operator has done: whether it is under way, and why it failed the last time. */
export type Action = Readonly<{
  busy: boolean;
  failure: Failure | null;
  /** Does it, and says whether that worked. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}>;

/** An action of which one runs at a time. */
export function useAction(): Action {
  const [state, setState] = useState<Readonly<{ busy: boolean; failure: Failure | null }>>({
    busy: false,
    failure: null,
  });
  const running = useRef(false);
  const { onAction } = useContext(Surroundings);
  const run = async (work: () => Promise<unknown>) => {
    if (running.current) return false;
    running.current = true;
    setState({ busy: true, failure: null });
    onAction();
    try {
      await work();
      setState({ busy: false, failure: null });
      return true;
    } catch (thrown) {
      setState({ busy: false, failure: failureOf(thrown) });
      return false;
    } finally {
      running.current = false;
    }
  };
  return { ...state, run };
}
