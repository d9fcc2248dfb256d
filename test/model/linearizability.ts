/** The effect of one request: the state after it, or null if its response cannot come of that state. */
export type Step<State> = (state: State) => State | null;

/** A request as seen from outside. Its steps happened in this order, each at some moment between call and answer. */
export type Operation<State> = Readonly<{
  steps: readonly Step<State>[];
  /** Places in one order of all calls and answers. */
  calledAt: number;
  /** Null if no answer came: then the steps may have happened at any time since the call, or not at all. */
  answeredAt: number | null;
}>;

/** The states that steps lead through, from the first on; two with the same name are the same. */
export type States<State> = Readonly<{ initial: State; nameOf(state: State): string }>;

/** Whether a history can be put in one order, and if not, the most operations that can (their indexes). */
export type Verdict = Readonly<{ linearizable: boolean; longest: readonly number[] }>;

/**
 * The most places to look at in one search. A history that fits is done after some thousands at the most; one that does
 * not, with everything at once, could take for ever, and is as good as refused by then.
 */
const MOST_PLACES = 300_000;

/** A call or an answer in the history, in a doubly linked list that calls are lifted out of and put back into. */
type Entry = {
  call: Call | null;
  next: Entry | null;
  previous: Entry | null;
};

/** A step of an operation with its entries. */
type Call = {
  readonly index: number;
  readonly operation: number;
  /** The step that must come before, of the same operation; null for the first. */
  readonly before: number | null;
  readonly entry: Entry;
  /** Its answer; null if none came. */
  readonly answer: Entry | null;
};

/**
 * Whether there is an order of all steps, each between its call and its answer, in which every answer is right.
 *
 * A request that was not answered may stand anywhere or nowhere, which multiplies the orders. Therefore it searches for one with
 * none of it first, then with one step of it, and so on: a killed server had done little of what it did not answer.
 *
 * @see Jeannette M. Wing and Chun Gong, "Testing and Verifying Concurrent Objects": the search
 * @see Gavin Lowe, "Testing for linearizability": the linked list, and never being twice in the same place
 */
export function checkLinearizability<State>(states: States<State>, operations: readonly Operation<State>[]): Verdict {
  let longest: readonly number[] = [];
  for (let allowance = 0; ; allowance++) {
    const verdict = search(states, operations, allowance);
    if (verdict.longest.length > longest.length) longest = verdict.longest;
    if (verdict.linearizable || !verdict.wanted) return { linearizable: verdict.linearizable, longest };
  }
}

/**
 * Searches for an order with so many steps of what was not answered at the most.
 *
 * @returns also whether there was more of it to be tried
 */
function search<State>(
  { initial, nameOf }: States<State>,
  operations: readonly Operation<State>[],
  allowance: number,
): Verdict & Readonly<{ wanted: boolean }> {
  const { head, calls, steps } = entriesOf(operations);
  const done = new Uint32Array(Math.ceil(calls.length / 32));
  const isDone = (index: number) => ((done[index >>> 5] as number) & (1 << (index & 31))) !== 0;
  const flip = (index: number) => {
    done[index >>> 5] = (done[index >>> 5] as number) ^ (1 << (index & 31));
  };
  let unanswered = calls.filter(({ answer }) => answer !== null).length;
  let longest: readonly number[] = [];
  let allowed = allowance;
  let wanted = false;
  const seen = new Set<string>();
  const path: { call: Call; state: State }[] = [];
  let state = initial;
  let at = head.next;
  /** Requests with a response are tried first: most of the others did not happen. */
  let answered = true;
  while (unanswered > 0) {
    const call = at?.call ?? null;
    if (at && call) {
      let place = (call.answer !== null) === answered ? placeAfter(call) : null;
      if (place && !answered && allowed === 0) {
        wanted = true;
        place = null;
      }
      if (place) {
        flip(call.index);
        path.push({ call, state });
        state = place.state;
        lift(call);
        if (call.answer) unanswered--;
        else allowed--;
        if (path.length > longest.length) longest = path.map((each) => each.call.operation);
        at = head.next;
        answered = true;
      } else at = at.next;
      continue;
    }
    if (answered) {
      answered = false;
      at = head.next;
      continue;
    }
    // Whose answer has come must have happened by now: something on the way was put in the wrong place.
    const last = path.pop();
    if (!last || seen.size > MOST_PLACES) return { linearizable: false, longest: [...new Set(longest)], wanted };
    state = last.state;
    flip(last.call.index);
    unlift(last.call);
    if (last.call.answer) unanswered++;
    else allowed++;
    answered = last.call.answer !== null;
    at = last.call.entry.next;
  }
  return { linearizable: true, longest: operations.map((_, index) => index), wanted };

  /** Where a call would lead from here; null if it cannot be, if it leads nowhere, or where the search was before. */
  function placeAfter({ index, before, answer }: Call): { state: State } | null {
    if (before !== null && !isDone(before)) return null;
    const next = (steps[index] as Step<State>)(state);
    if (next === null) return null;
    const name = nameOf(next);
    if (answer === null && name === nameOf(state)) return null;
    flip(index);
    const place = `${done.join()} ${name}`;
    flip(index);
    if (seen.has(place)) return null;
    seen.add(place);
    return { state: next };
  }
}

/** The history as a list of entries, in their order. */
function entriesOf<State>(operations: readonly Operation<State>[]) {
  const calls: Call[] = [];
  const steps: Step<State>[] = [];
  const placed: { place: number; entry: Entry }[] = [];
  for (const [operation, { steps: own, calledAt, answeredAt }] of operations.entries()) {
    for (const [nth, step] of own.entries()) {
      const entry: Entry = { call: null, next: null, previous: null };
      const answer: Entry | null = answeredAt === null ? null : { call: null, next: null, previous: null };
      const index = calls.length;
      const call: Call = { index, operation, before: nth === 0 ? null : index - 1, entry, answer };
      entry.call = call;
      calls.push(call);
      steps.push(step);
      placed.push({ place: calledAt, entry });
      if (answer && answeredAt !== null) placed.push({ place: answeredAt, entry: answer });
    }
  }
  placed.sort((a, b) => a.place - b.place);
  const head: Entry = { call: null, next: null, previous: null };
  let last = head;
  for (const { entry } of placed) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return { head, calls, steps };
}

function lift({ entry, answer }: Call): void {
  unlink(entry);
  if (answer) unlink(answer);
}

/** Undoes `lift`, in the opposite order, so that each entry finds its neighbours as they were. */
function unlift({ entry, answer }: Call): void {
  if (answer) relink(answer);
  relink(entry);
}

function unlink(entry: Entry): void {
  if (entry.previous) entry.previous.next = entry.next;
  if (entry.next) entry.next.previous = entry.previous;
}

function relink(entry: Entry): void {
  if (entry.previous) entry.previous.next = entry;
  if (entry.next) entry.next.previous = entry;
}
