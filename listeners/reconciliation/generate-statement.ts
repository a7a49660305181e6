/** A day of orders, and the bank's statement about it, with breaks that are known. */
export interface GeneratedDay {
  /** Our orders, charged with success, in no particular order. */
  orders(): Generator<GeneratedOrder>;
  /** The bank's file, line by line, newlines and all. */
  statement(): Generator<string>;
  /** What comparing them must find: `<kind> <reference>`, sorted. */
  readonly breaks: readonly string[];
}

export interface GeneratedOrder {
  readonly id: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly createdAt: Date;
}

export interface GenerateOptions {
  /** Orders of the day. */
  readonly orders: number;
  /** Breaks of each of the five kinds. */
  readonly breaksOfEachKind: number;
  /** The orders' times lie evenly from the one, inclusive, to the other, exclusive. */
  readonly from: Date;
  readonly to: Date;
  /** The same seed gives the same day. Default 1. */
  readonly seed?: number;
}

const KINDS = ['MISSING_THERE', 'MISSING_HERE', 'AMOUNT_DIFFERS', 'STATUS_DIFFERS', 'DUPLICATE_THERE'] as const;

/** Made anew at each reading, so a million orders take no more memory than their shuffled numbers. */
export const generateDay = ({ orders, breaksOfEachKind, from, to, seed = 1 }: GenerateOptions): GeneratedDay => {
  if (breaksOfEachKind * KINDS.length > orders)
    throw new RangeError(`${orders} orders are too few for ${breaksOfEachKind} breaks of each kind`);
  const random = randomOf(seed);
  const shuffled = shuffle(orders, random);
  /** Orders with a break: the first of the shuffled ones. */
  const kindOf = new Map<number, (typeof KINDS)[number]>();
  for (let place = 0; place < breaksOfEachKind * KINDS.length; place += 1) kindOf.set(shuffled[place]!, KINDS[place % KINDS.length]!);
  const order = (number: number): GeneratedOrder => ({
    id: idOf(number),
    amountMinor: BigInt(100 + ((number * 7919) % 1_000_000)),
    currency: 'EUR',
    createdAt: new Date(from.getTime() + Math.floor(((to.getTime() - from.getTime()) * number) / orders)),
  });
  const breaks = [...kindOf].map(([number, kind]) => `${kind} ${kind === 'MISSING_HERE' ? unknownIdOf(number) : idOf(number)}`);
  return {
    breaks: breaks.sort(),
    *orders() {
      for (let number = 0; number < orders; number += 1) yield order(number);
    },
    *statement() {
      yield 'reference;amount;currency;status;booked_at\n';
      let count = 0;
      let sum = 0n;
      const line = (reference: string, amountMinor: bigint, status: string, at: Date): string => {
        count += 1;
        sum += amountMinor;
        const digits = String(amountMinor).padStart(3, '0');
        return `${reference};"${digits.slice(0, -2)},${digits.slice(-2)}";EUR;${status};${at.toISOString()}\n`;
      };
      const again: number[] = [];
      for (const number of shuffle(orders, random)) {
        const { id, amountMinor, createdAt } = order(number);
        const kind = kindOf.get(number);
        if (kind === 'MISSING_THERE') continue;
        if (kind === 'MISSING_HERE') yield line(unknownIdOf(number), amountMinor, 'BOOKED', createdAt);
        if (kind === 'DUPLICATE_THERE') again.push(number);
        yield line(
          id,
          kind === 'AMOUNT_DIFFERS' ? amountMinor + BigInt(1 + (number % 500)) : amountMinor,
          kind === 'STATUS_DIFFERS' ? 'REJECTED' : 'BOOKED',
          createdAt,
        );
        // Some lines further down.
        if (again.length > 10) yield repeated(again.shift()!);
      }
      for (const number of again) yield repeated(number);
      yield `TOTAL;${count};${sum}\n`;

      function repeated(number: number): string {
        const { id, amountMinor, createdAt } = order(number);
        return line(id, amountMinor, 'BOOKED', createdAt);
      }
    },
  };
};

const idOf = (number: number): string => `order-${String(number).padStart(8, '0')}`;
const unknownIdOf = (number: number): string => `nobody-${String(number).padStart(8, '0')}`;

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function shuffle(count: number, random: () => number): Uint32Array {
  const numbers = Uint32Array.from({ length: count }, (_, number) => number);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [numbers[at], numbers[other]] = [numbers[other]!, numbers[at]!];
  }
  return numbers;
}
