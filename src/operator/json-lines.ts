/** The lines of a text in UTF-8, as JSON. */
export async function* jsonLines<Line>(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let begun = "";
  for await (const chunk of chunks) {
    const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
    begun = lines.pop() as string;
    yield* parsed<Line>(lines);
  }
  yield* parsed<Line>([begun + decoder.decode()]);
}

/** The chunks of a body. Who stops before the end needs no more of it. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // A body that failed says so to its reader: here it would say it once more.
    reader.cancel().catch(() => {});
  }
}

function* parsed<Line>(lines: readonly string[]): Generator<Line> {
  for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as Line;
}
