import { ClassicLevel } from 'classic-level';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { AppendQueue } from '../../src/segmented-log/append-queue.ts';
import { decodeMessages, encodeMessage } from '../../src/segmented-log/message-payload.ts';

/** Records taken out of the store in one go. */
const BATCH = 1_000;

/** The same log kept in LevelDB: our group commit in front of its batches, synced; numbers as keys; what is sent is deleted. */
export class LevelLog {
  readonly #level: ClassicLevel<Buffer, Buffer>;
  readonly #queue: AppendQueue;
  #next = 1;

  constructor(directory: string) {
    this.#level = new ClassicLevel(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false });
    this.#queue = new AppendQueue(
      (group) =>
        this.#level.batch(
          group.map(({ payload }) => ({ type: 'put' as const, key: keyOf(this.#next++), value: payload })),
          { sync: true },
        ),
      () => {},
    );
  }

  /** Ready when the first record can be read. */
  async open(): Promise<void> {
    await this.#level.open();
    for await (const [key] of this.#level.iterator({ reverse: true, limit: 1 })) this.#next = Number(key.readBigUInt64BE()) + 1;
  }

  append(message: OutgoingMessage): Promise<void> {
    return this.#queue.add({ payload: encodeMessage(message), count: 1 }, 60_000);
  }

  /** Sends everything, 16 at a time; deletes are synced, as the cursor of segments is. */
  async drain(send: (message: OutgoingMessage) => Promise<void>): Promise<void> {
    for (;;) {
      const entries = await this.#level.iterator({ limit: BATCH }).all();
      if (entries.length === 0) return;
      const left = entries.values();
      const place = async (): Promise<void> => {
        for (const [, value] of left) await send(decodeMessages(value)[0]!);
      };
      await Promise.all(Array.from({ length: 16 }, place));
      await this.#level.batch(
        entries.map(([key]) => ({ type: 'del' as const, key })),
        { sync: true },
      );
    }
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}

function keyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeBigUInt64BE(BigInt(number));
  return key;
}
