import { describe, expect, it } from 'vitest';
import { type LedgerLine, seeded } from './settlement.ts';

const ledger = Array.from({ length: 20 }, (_, nth): LedgerLine => ({ reference: `order-${nth}`, amountMinor: nth, status: 'SUCCESS' }));

describe("The breaks put into the bank's ledger", () => {
  it('are ten, two of each kind, and nothing else is different', () => {
    const { lines, breaks } = seeded(ledger);
    expect(breaks).toEqual([
      'MISSING_THERE order-0',
      'MISSING_THERE order-1',
      'AMOUNT_DIFFERS order-2',
      'AMOUNT_DIFFERS order-3',
      'STATUS_DIFFERS order-4',
      'STATUS_DIFFERS order-5',
      'DUPLICATE_THERE order-6',
      'DUPLICATE_THERE order-7',
      'MISSING_HERE stranger-1',
      'MISSING_HERE stranger-2',
    ]);
    const untouched = ledger.filter(({ reference }) => !breaks.some((line) => line.endsWith(` ${reference}`)));
    expect(untouched).toHaveLength(12);
    for (const line of untouched) expect(lines).toContain(line);
    expect(lines).toHaveLength(20 - 2 + 2 + 2);
  });
});
