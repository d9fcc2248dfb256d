/** More commands wait than the queue takes. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** The most commands that go together; keeps one commit well inside D1's limits on a statement's size. */
const MAX_GROUP = 1_000;
/** The most commands that wait; what comes on top of them is refused at once instead of too late. */
const MAX_WAITING = 4_000;

type Waiting<Command, Result> = {
  command: Command;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
};

/**
 * Runs commands in the order they came, in groups: while one group is under way, the next one gathers.
 *
 * Nobody waits for a group to fill, so that a lone command costs no more than it would without the queue, and the
 * more of them wait, the less each costs.
 */
export class GroupCommit<Command, Result> {
  readonly #run: (commands: readonly Command[]) => Promise<readonly Result[]>;
  #waiting: Waiting<Command, Result>[] = [];
  #running = false;

  /** @param run decides and commits one group; gives one result for each command, or throws for all of them */
  constructor(run: (commands: readonly Command[]) => Promise<readonly Result[]>) {
    this.#run = run;
  }

  /**
   * The result of a command, once the group it went with is committed.
   *
   * @throws QueueFullError, and whatever running its group threw
   */
  submit(command: Command): Promise<Result> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new QueueFullError(`${MAX_WAITING} commands wait already`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, resolve, reject });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP);
      try {
        const results = await this.#run(group.map(({ command }) => command));
        if (results.length !== group.length) throw new Error("a group must give one result for each command");
        group.forEach(({ resolve }, index) => {
          resolve(results[index] as Result);
        });
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = false;
  }
}
