/** Lines of input that others write: of no file, however long its lines, is more in memory than one line. */

const line_feed = 0x0a;

/**
 * The lines of a stream as UTF-8, without their ends.
 * @param bytesMax a longer line is not kept: it comes as undefined
 */
export async function* boundedLines(
  input: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<string | undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const add = (part: Uint8Array): void => {
    size += part.length;
    if (size <= bytesMax) parts.push(part);
    else parts = [];
  };
  const take = (): string | undefined => {
    const line = size <= bytesMax ? Buffer.concat(parts).toString("utf8") : undefined;
    [parts, size] = [[], 0];
    return line;
  };
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(line_feed); end >= 0; end = chunk.indexOf(line_feed, start)) {
      add(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
  if (size > 0) yield take();
}
