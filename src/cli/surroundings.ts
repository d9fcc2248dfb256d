/** The environment of a run of the command line. */
export type Surroundings = Readonly<{
  arguments: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream & { isTTY?: boolean };
  errors: NodeJS.WritableStream;
  signal?: AbortSignal;
}>;

/** The options of all commands. */
export type Options = { home?: string; json?: boolean; domain?: string; authToken?: string };

/** The output of a command: a sentence or lines for people, JSON for programs, or bytes for either. */
export type Said =
  | { sentence: string; json: Record<string, unknown> }
  | { lines: readonly string[]; json: Record<string, unknown> }
  | { bytes: Uint8Array };
