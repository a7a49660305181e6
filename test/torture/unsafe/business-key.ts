import { rowExists } from '../../../src/index.ts';
import type { TortureOrder } from '../torture-listeners.ts';
import { TortureOrderEntity } from '../torture-tables.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

export const BUSINESS_KEY_LOOKUP: UnsafeVariant = {
  mistake: 'the row is looked up by its business key, whichever transaction wrote it',
  breaks: ['I1 no ghost'],
  workload: { strategies: ['row-first'], failing: 0, lostHalfAck: 0.5 },
  rowLookup: rowExists<TortureOrder>(TortureOrderEntity, ({ payload }) => ({ id: payload.orderId }), { keyUsedOnce: true }),
};
