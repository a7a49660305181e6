import { messageOf } from '../../shared/error-message.ts';
import type { TextBlock } from './decode-lines.ts';
import type { RawRecord, StatementEnd } from './statement-format.ts';

/** Records that are lines: `read` makes one of each, and what it throws is the problem of that line. */
export async function* textLines(
  blocks: AsyncIterable<TextBlock>,
  end: StatementEnd,
  hasTrailer: boolean,
  read: (text: string, line: number) => RawRecord,
): AsyncGenerator<readonly RawRecord[]> {
  for await (const { bytes, line: first, isTerminated } of blocks) {
    const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString().split('\n');
    // What follows the last newline; half a line where the file has no trailer to say otherwise.
    const last = lines.pop()!;
    if (!isTerminated) {
      if (hasTrailer) end.openLine = first + lines.push(last) - 1;
      else Object.assign(end, { isTruncated: true, line: first + lines.length });
    }
    yield lines.map((content, place): RawRecord => {
      const line = first + place;
      try {
        return read(content.endsWith('\r') ? content.slice(0, -1) : content, line);
      } catch (error) {
        return { line, problem: messageOf(error) };
      }
    });
    if (!end.isTruncated) end.line = first + lines.length - 1;
  }
}
