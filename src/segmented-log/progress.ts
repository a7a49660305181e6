/** How far beyond the first record that is not done others may be. */
export const PROGRESS_SPAN = 65_536;

/** Which records are done: all below `next`, and some beyond it. */
export class Progress {
  #next: number;
  readonly #done: Set<number>;

  constructor(next: number, done: Iterable<number> = []) {
    this.#next = next;
    this.#done = new Set(done);
    this.#advance();
  }

  /** The first record that is not done. */
  get next(): number {
    return this.#next;
  }

  /** How many beyond it are done. */
  get beyond(): number {
    return this.#done.size;
  }

  has(number: number): boolean {
    return number < this.#next || this.#done.has(number);
  }

  confirm(number: number): void {
    if (number < this.#next) return;
    this.#done.add(number);
    this.#advance();
  }

  /** Records below `number` that are not done never will be: they are gone. */
  jump(number: number): void {
    if (number <= this.#next) return;
    this.#next = number;
    for (const each of this.#done) if (each < number) this.#done.delete(each);
    this.#advance();
  }

  /** One bit a record from `next` on, as many bytes as it takes. */
  bitmap(): Buffer {
    const last = this.#done.size === 0 ? this.#next - 1 : Math.max(...this.#done);
    const bits = Buffer.alloc(Math.ceil((last - this.#next + 1) / 8));
    for (const number of this.#done) bits[(number - this.#next) >> 3]! |= 1 << ((number - this.#next) & 7);
    return bits;
  }

  static from(next: number, bitmap: Uint8Array): Progress {
    const done: number[] = [];
    for (const [index, byte] of bitmap.entries()) {
      for (let bit = 0; bit < 8; bit += 1) if ((byte & (1 << bit)) !== 0) done.push(next + index * 8 + bit);
    }
    return new Progress(next, done);
  }

  #advance(): void {
    while (this.#done.delete(this.#next)) this.#next += 1;
  }
}
