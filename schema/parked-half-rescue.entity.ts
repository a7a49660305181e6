import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** One row per parked half message that was sent again; the broker keeps the half itself until its files age out. */
export const ParkedHalfRescueEntity = defineEntity({
  name: 'ParkedHalfRescue',
  tableName: 'parked_half_rescue',
  properties: {
    messageId: p.string().length(255).primary(),
    topic: p.string().length(255),
    transactionId: p.string().length(64).nullable(),
    rescuedBy: p.string().length(500),
    rescuedAt: p.datetime(3),
  },
  indexes: [
    { name: 'parked_half_rescue_age', properties: ['rescuedAt'] },
    { name: 'parked_half_rescue_transaction', properties: ['transactionId'] },
  ],
});

export type ParkedHalfRescueRow = InferEntity<typeof ParkedHalfRescueEntity>;
