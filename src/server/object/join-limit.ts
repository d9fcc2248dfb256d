/**
 * The limit of joins of one domain. While it leaves room, nobody waits for it: it is told of a join, and its word counts from
 * the next one on. Once it leaves none, each join asks first.
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
