import type { Command } from "commander";
import { DomainOperator } from "../operator/index.ts";
import { wholeNumber } from "./arguments.ts";
import { shown } from "./shown.ts";
import type { Surroundings } from "./surroundings.ts";
import { type Cell, factLines, tableLines } from "./table.ts";

/** The cells of a row, by heading. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => Cell>>;

/** The output of a command: the response for programs, and a sentence for people, or else the response. */
type CommandResult = Readonly<{
  json: object;
  sentence?: string;
  /** What somebody has to do now: the command fails with it after its output. */
  failure?: Error | null;
}>;

type AdminOptions = Readonly<{ json?: boolean; server?: string; adminToken?: string; limit?: number }>;

/** Actions of operators' commands: they ask the server, and print its response. */
export type AdminActions = ReturnType<typeof adminActions>;

/** The actions of commands that run in these surroundings. */
export function adminActions({ environment, output, signal }: Surroundings) {
  const print = async (lines: Iterable<string> | AsyncIterable<string>) => {
    for await (const line of lines) output.write(`${shown(line)}\n`);
  };

  const action =
    <Args extends unknown[]>(act: (operator: DomainOperator, options: AdminOptions, ...args: Args) => Promise<void>) =>
    async (...args: unknown[]): Promise<void> => {
      // Commander's last argument.
      const command = args.at(-1) as Command;
      const options = command.optsWithGlobals<AdminOptions>();
      const server = options.server ?? environment.DEVICE_DOMAIN_SERVER;
      if (!server) return command.error("error: no server: give its URL with --server, or in DEVICE_DOMAIN_SERVER");
      const token = options.adminToken ?? environment.DEVICE_DOMAIN_ADMIN_TOKEN;
      await act(new DomainOperator(server, { token, signal }), options, ...(args as Args));
    };

  return {
    /** Does something, and says what came of it. */
    tells: <Args extends unknown[]>(act: (operator: DomainOperator, ...args: Args) => Promise<CommandResult>) =>
      action<Args>(async (operator, { json: asJson = false }, ...args) => {
        const { json, sentence, failure } = await act(operator, ...args);
        const text = sentence === undefined ? factLines(json) : [sentence];
        await print(asJson ? [JSON.stringify(json)] : text);
        if (failure) throw failure;
      }),

    /** Prints a list while it comes: as a table, or as JSON Lines. */
    lists: <Row, Args extends unknown[]>(
      columns: Columns<Row>,
      list: (operator: DomainOperator, ...args: Args) => AsyncIterable<Row>,
    ) =>
      action<Args>((operator, { json = false, limit = Number.POSITIVE_INFINITY }, ...args) => {
        const rows = firstOf(list(operator, ...args), limit);
        if (json) return print(mapped(rows, (row) => JSON.stringify(row)));
        const cellsOf = (row: Row) => Object.values(columns).map((cell) => cell(row));
        return print(tableLines(Object.keys(columns), mapped(rows, cellsOf)));
      }),

    /** Prints JSON Lines, asked for or not. */
    exports: <Args extends unknown[]>(list: (operator: DomainOperator, ...args: Args) => AsyncIterable<object>) =>
      action<Args>((operator, _, ...args) => print(mapped(list(operator, ...args), (line) => JSON.stringify(line)))),
  };
}

/** Adds a command. */
export function command(parent: Command, usage: string, description: string): Command {
  return parent.command(usage).description(description);
}

/** Adds a command that lists rows. */
export function listCommand(parent: Command, usage: string, description: string): Command {
  return command(parent, usage, description).option("--limit <rows>", "stop after so many rows", wholeNumber);
}

async function* firstOf<Row>(rows: AsyncIterable<Row>, limit: number): AsyncGenerator<Row> {
  let left = limit;
  if (left <= 0) return;
  for await (const row of rows) {
    yield row;
    if (--left <= 0) return;
  }
}

async function* mapped<From, To>(items: AsyncIterable<From>, change: (item: From) => To): AsyncGenerator<To> {
  for await (const item of items) yield change(item);
}
