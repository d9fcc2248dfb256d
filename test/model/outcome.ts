/** The result of many trials. */
export type Outcome = Readonly<{
  /** How many times it was tried. */
  tried: number;
  /** In words, what broke; empty if nothing did. */
  broke: readonly string[];
  /** Figures of this run, in words. */
  figures?: string;
}>;
