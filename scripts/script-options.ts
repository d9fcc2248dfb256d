import { Command, CommanderError } from "commander";

/** An option of a script: how it is written, what it does, and its default. */
type ScriptOption = readonly [flags: string, description: string, defaultValue?: string | boolean];

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
  for (const [flags, text, defaultValue] of options) program.option(flags, text, defaultValue);
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
