/**
 * Writes protobuf fields into one buffer of the right size, which the caller computes with the functions below. Only what
 * the requests of this folder use: strings, bytes, varints of whole numbers from 0 on, and messages within messages; and
 * only field numbers below 16, whose tag is one byte.
 */
export class ProtobufWriter {
  readonly buffer: Buffer;
  #at: number;

  constructor(buffer: Buffer, at = 0) {
    this.buffer = buffer;
    this.#at = at;
  }

  /** Where the next byte goes; at the end, the size of the buffer. */
  get at(): number {
    return this.#at;
  }

  /** Nothing for 0, which is what an absent one means. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.buffer[this.#at++] = field << 3;
    this.#varint(value);
  }

  /** An empty one too: whoever leaves it out leaves the call out. */
  string(field: number, value: string): void {
    const size = Buffer.byteLength(value);
    this.startMessage(field, size);
    this.buffer.write(value, this.#at, size, 'utf8');
    this.#at += size;
  }

  bytes(field: number, value: Uint8Array): void {
    this.startMessage(field, value.length);
    this.buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** The fields of the message follow; they take `size` bytes. */
  startMessage(field: number, size: number): void {
    this.buffer[this.#at++] = (field << 3) | 2;
    this.#varint(size);
  }

  #varint(value: number): void {
    let rest = value;
    // Shifts work on 32 bits only; seconds since the epoch will not fit one day.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.buffer[this.#at++] = (rest % 0x80) | 0x80;
    this.buffer[this.#at++] = rest;
  }
}

const varintSize = (value: number): number => {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
};

export const numberSize = (value: number): number => (value === 0 ? 0 : 1 + varintSize(value));
/** Of a field that holds so many bytes. */
export const delimitedSize = (bytes: number): number => 1 + varintSize(bytes) + bytes;
export const stringSize = (value: string): number => delimitedSize(Buffer.byteLength(value));
