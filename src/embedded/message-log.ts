/** Values under ascending numbers, oldest first; the oldest may be let go. */
export class MessageLog<T> {
  #values: (T | undefined)[] = [];
  /** Number of `#values[0]`. */
  #base: number;
  #first: number;

  constructor(first = 0) {
    this.#base = first;
    this.#first = first;
  }

  /** Number of the oldest value still here; `next` when there is none. */
  get first(): number {
    return this.#first;
  }

  get next(): number {
    return this.#base + this.#values.length;
  }

  get size(): number {
    return this.next - this.#first;
  }

  append(value: T): number {
    this.#values.push(value);
    return this.next - 1;
  }

  get(number: number): T | undefined {
    return number < this.#first ? undefined : this.#values[number - this.#base];
  }

  /** Lets go of everything before `number`. */
  trim(number: number): void {
    const to = Math.min(number, this.next);
    while (this.#first < to) {
      this.#values[this.#first - this.#base] = undefined;
      this.#first += 1;
    }
    const dead = this.#first - this.#base;
    if (dead > 256 && dead * 2 > this.#values.length) {
      this.#values = this.#values.slice(dead);
      this.#base = this.#first;
    }
  }

  *[Symbol.iterator](): Generator<[number, T]> {
    for (let number = this.#first; number < this.next; number += 1) yield [number, this.#values[number - this.#base] as T];
  }
}
