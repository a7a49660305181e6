import { describe, expect, it } from 'vitest';
import { holeIn } from './stories.ts';

const ORDER = {
  orderId: 'order-1',
  transactionId: 'tx-1',
  correlationId: 'order-1/1',
  status: 'SUCCESS',
  attempts: [{ callId: 7, attempt: 1, isAnswered: true }],
};
const LINK = '<a href="/attempt?call=7&amp;n=1">';
const PARTS = [
  'row <code>order-1</code> of torture-orders written by transaction <code>tx-1</code>',
  'delivered: call charge <code>order-1</code> begun',
  LINK,
  LINK,
  'call charge <code>order-1</code> is <span class="badge good">SUCCESS</span>',
];

describe('The story of an order', () => {
  it('has no hole when row, transaction, delivery, attempts and the end are told', () => {
    expect(holeIn(PARTS.join('\n'), ORDER)).toBeUndefined();
  });

  it.each(PARTS.map((part, nth) => ({ part, nth })))('has one without "$part" ($nth)', ({ nth }) => {
    expect(holeIn(PARTS.filter((_, other) => other !== nth).join('\n'), ORDER)).toBeDefined();
  });

  it('needs no end of an attempt that has none, nor of a call that is open', () => {
    const open = { ...ORDER, status: 'UNKNOWN', attempts: [{ callId: 7, attempt: 1, isAnswered: false }] };
    expect(holeIn(PARTS.slice(0, 3).join('\n'), open)).toBeUndefined();
  });
});
