import { z } from 'zod';
import { OrderEntity } from '../../schema/index.ts';
import { csv, defineStatement, minorUnits } from '../../src/index.ts';
import { chargeAtBank } from '../charge-payment.listener.ts';

/**
 * What the bank sends each morning: one line a payment of the day before, which ends at 18:00 in Frankfurt, and a last
 * line with their count and sum.
 */
export const bankStatement = defineStatement({
  name: 'bank',
  call: chargeAtBank.name,
  format: csv({
    columns: ['reference', 'amount', 'currency', 'status', 'booked_at'],
    delimiter: ';',
    trailer: { startsWith: 'TOTAL', columns: ['kind', 'count', 'sum_minor'] },
  }),
  encoding: 'utf-8',
  window: { timeZone: 'Europe/Berlin', cutOff: '18:00' },
  schema: z.object({
    reference: z.string(),
    amount: z.string(),
    currency: z.string(),
    status: z.enum(['BOOKED', 'REJECTED', 'RECEIVED']),
    booked_at: z.iso.datetime(),
  }),
  line: ({ reference, amount, currency, status, booked_at }) => ({
    reference,
    amountMinor: minorUnits(amount, currency, { decimal: ',' }),
    currency,
    status: ({ BOOKED: 'SUCCESS', REJECTED: 'FAIL', RECEIVED: 'PENDING' } as const)[status],
    bookedAt: new Date(booked_at),
  }),
  trailer: ({ count, sum_minor }) => ({ count: Number(count), sumMinor: BigInt(sum_minor as string) }),
  ours: { entity: OrderEntity, reference: 'id', amountMinor: 'amountMinor', currency: 'currency', writtenAt: 'createdAt' },
  policy: {
    // What was ordered a minute before the cut-off may be in tomorrow's.
    lateRowsMs: 300_000,
    // Nobody knew what became of it: the bank's statement does.
    settleOpen: true,
  },
});
