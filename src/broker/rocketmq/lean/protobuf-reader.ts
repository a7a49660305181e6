/**
 * Walks the fields of one protobuf message: `next()`, then the method that fits the field, or `skip()`. Throws
 * `RangeError` on bytes that are no protobuf.
 */
export class ProtobufReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;
  #wireType = 0;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#at = at;
    this.#end = end;
  }

  /** The number of the next field; 0 at the end of the message. */
  next(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.#varint();
    this.#wireType = tag % 8;
    const field = Math.floor(tag / 8);
    if (field === 0) throw malformed('a field number of 0');
    return field;
  }

  /** Exact to 2⁵³; of an int64 beyond that, and of a negative one, about right. */
  number(): number {
    if (this.#wireType !== 0) throw malformed(`wire type ${this.#wireType} for a number`);
    return this.#varint();
  }

  string(): string {
    const end = this.#delimited();
    const value = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end;
    return value;
  }

  message(): ProtobufReader {
    const end = this.#delimited();
    const reader = new ProtobufReader(this.#buffer, this.#at, end);
    this.#at = end;
    return reader;
  }

  skip(): void {
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 2) this.#at = this.#delimited();
    else if (this.#wireType === 1 || this.#wireType === 5) this.#at = this.#within(this.#wireType === 1 ? 8 : 4);
    else throw malformed(`wire type ${this.#wireType}`);
  }

  #delimited(): number {
    if (this.#wireType !== 2) throw malformed(`wire type ${this.#wireType} for bytes`);
    return this.#within(this.#varint());
  }

  #within(size: number): number {
    const end = this.#at + size;
    if (end > this.#end) throw malformed(`a field of ${size} bytes where ${this.#end - this.#at} are left`);
    return end;
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count += 1) {
      if (this.#at >= this.#end) throw malformed('a number without an end');
      const byte = this.#buffer[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw malformed('a number of more than ten bytes');
  }
}

const malformed = (what: string): RangeError => new RangeError(`not protobuf: ${what}`);
