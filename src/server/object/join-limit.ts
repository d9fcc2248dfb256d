/**
 * The limit of joins of one domain. While it is not reached, a join is counted without waiting: the limit's result
 * applies to the next join. Once it is reached, each join waits for the result.
 */
export class JoinLimit {
  readonly #isWithin: () => Promise<boolean>;
  #isSpent = false;

  /** @param isWithin counts one more join; resolves to whether the limit leaves room for it */
  constructor(isWithin: () => Promise<boolean>) {
    this.#isWithin = isWithin;
  }

  /** Whether one more device may join now; counts it. */
  mayJoin(): boolean | Promise<boolean> {
    const counted = this.#isWithin().then((isWithin) => {
      this.#isSpent = !isWithin;
      return isWithin;
    });
    return this.#isSpent ? counted : true;
  }
}
