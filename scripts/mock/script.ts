/** The requests of a client that a script can tell apart. */
const OPERATIONS = ["register", "deregister", "keys", "history", "rollover", "domain"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Effects on a request, by the word for each. */
export const EFFECTS = {
  unreached: "the connection is lost before the server has the request",
  lost: "the server acts, and the connection is lost before its response",
  cut: "the server acts, and half of its response arrives",
  twice: "the server gets the request twice; the second response arrives",
  replayed: "the first response to such a request arrives once more",
  rollover: "a rollover is due before the request",
  evicted: "an operator removes the device before the request",
  banned: "an operator bans the device before the request",
  "429": "refused as RATE_LIMITED, to be tried again after a second",
  "500": "fails as INTERNAL_ERROR",
  "503": "refused as TEMPORARILY_UNAVAILABLE, to be tried again after a second",
} as const;
export type Effect = keyof typeof EFFECTS;

/** One effect on some requests of a domain: those from the `first` to the `last` of an operation, counted from 1. */
export type Step = Readonly<{ effect: Effect; operation: Operation; first: number; last: number }>;

/** The instructions in a domain's name. */
export type Script = Readonly<{
  steps: readonly Step[];
  /** How far the server's clock is ahead, in seconds. */
  clock: number;
  /** Settings that the domain is made with. */
  settings: Readonly<{ maxMembership?: number; deviceKeyRequired?: true }>;
}>;

/** A script that cannot be read. */
export class ScriptError extends Error {}

/**
 * Reads the script in a domain's name: what follows its first `~`, in words that `~` separates.
 *
 * @throws ScriptError for a word that is none
 */
export function readScript(domain: string): Script {
  const [, ...words] = domain.split("~");
  const script = { steps: [] as Step[], clock: 0, settings: {} as Script["settings"] };
  for (const word of words) {
    const [name = "", ...parts] = word.split(":");
    if (name === "clock") script.clock = wholeNumber(word, parts, /^-?\d{1,7}$/);
    else if (name === "limit")
      script.settings = { ...script.settings, maxMembership: wholeNumber(word, parts, /^\d{1,7}$/) };
    else if (word === "device-key") script.settings = { ...script.settings, deviceKeyRequired: true };
    else script.steps.push(readStep(word, name, parts));
  }
  return script;
}

/** The step with which a request meets, if any. @param count how many such requests there have been, this one included */
export function stepFor({ steps }: Script, operation: Operation, count: number): Step | undefined {
  return steps.find((step) => step.operation === operation && step.first <= count && count <= step.last);
}

function readStep(word: string, effect: string, [operation = "", which = "1", ...rest]: readonly string[]): Step {
  const [, from, to = from] = /^([1-9]\d{0,5})(?:-([1-9]\d{0,5}|end))?$/.exec(which) ?? [];
  if (!isEffect(effect) || !isOperation(operation) || from === undefined || rest.length > 0) {
    throw new ScriptError(
      `"${word}" is not a word of a script: write an effect, an operation and which requests, as in "lost:deregister:2".`,
    );
  }
  return { effect, operation, first: Number(from), last: to === "end" ? Number.POSITIVE_INFINITY : Number(to) };
}

function wholeNumber(word: string, parts: readonly string[], form: RegExp): number {
  const [text = ""] = parts;
  if (parts.length !== 1 || !form.test(text)) {
    throw new ScriptError(`"${word}" needs a whole number after its colon, as in "limit:2".`);
  }
  return Number(text);
}

function isEffect(text: string): text is Effect {
  return Object.hasOwn(EFFECTS, text);
}

function isOperation(text: string): text is Operation {
  return (OPERATIONS as readonly string[]).includes(text);
}
