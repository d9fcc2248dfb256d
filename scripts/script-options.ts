import { Command, CommanderError, InvalidArgumentError, Option } from "commander";

/** An option of a script: how it is written, what it does, its default, and the reader of its value. */
type ScriptOption = readonly [
  flags: string,
  description: string,
  defaultValue?: string | boolean | number | undefined,
  read?: (text: string) => unknown,
];

/** Reads an option that is a whole number, of at least so much. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}

/** Reads an option that is one of some names. */
export function oneOf(names: readonly string[]): (text: string) => string {
  return (text) => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`It must be one of: ${names.join(", ")}.`);
  };
}

/**
 * The options of a script, as it was called. Ends the program after `--help`, and with 2 for what it does not know.
 *
 * @param name the name of the npm script
 * @param more what the help says besides
 */
export function scriptOptions<Options extends object>(
  name: string,
  description: string,
  options: readonly ScriptOption[] = [],
  more = "",
): Options {
  const program = new Command(`npm run ${name} --`).description(description).allowExcessArguments(false).exitOverride();
  for (const [flags, text, defaultValue, read] of options) {
    const option = new Option(flags, text).default(defaultValue);
    program.addOption(read ? option.argParser(read) : option);
  }
  if (more !== "") program.addHelpText("after", `\n${more}`);
  try {
    return program.parse().opts<Options>();
  } catch (error) {
    // Commander has said already what is wrong, or has shown the help.
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

/** Ends a script with a sentence for its caller. */
export function give(sentence: string, code = 1): never {
  console.error(sentence);
  process.exit(code);
}

/** Tells what is going on, and since when, apart from what a script writes. */
export function say(what: string): void {
  console.error(`${process.uptime().toFixed(0).padStart(5)} s  ${what}`);
}
