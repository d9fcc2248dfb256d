import { MAX_PAGE_ROWS } from "../protocol/limits.ts";
import type { CallOptions } from "./operator-connection.ts";

/** A part of a list, and where the next one begins; null after the last. */
export type Page<Item> = Readonly<{ items: readonly Item[]; nextCursor: string | null }>;

/** Which page to ask for. */
export type PageQuery = Readonly<{ cursor: string | undefined; limit: number | undefined }>;

/** A list that a server has: its items one after the other, or page by page. */
export class PagedList<Item> implements AsyncIterable<Item> {
  readonly #load: (query: PageQuery, call: CallOptions) => Promise<Page<Item>>;
  readonly #call: CallOptions;
  readonly #pageRows: number;

  constructor(
    load: (query: PageQuery, call: CallOptions) => Promise<Page<Item>>,
    call: CallOptions = {},
    pageRows = MAX_PAGE_ROWS,
  ) {
    this.#load = load;
    this.#call = call;
    this.#pageRows = pageRows;
  }

  /** One page. @param cursor the `nextCursor` of the page before; null for the first */
  page(cursor: string | null = null, { limit, ...call }: CallOptions & { limit?: number } = {}): Promise<Page<Item>> {
    return this.#load({ cursor: cursor ?? undefined, limit }, { ...this.#call, ...call });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item> {
    for (let cursor: string | null = null; ; ) {
      const { items, nextCursor }: Page<Item> = await this.page(cursor, { limit: this.#pageRows });
      yield* items;
      if (nextCursor === null) return;
      cursor = nextCursor;
    }
  }
}
