import { defineEntity, p } from '@mikro-orm/core';

/**
 * What became of a local transaction, written once: by the transaction itself (1, with its COMMIT) or by a check-back
 * that came first (0). Used by listeners whose look-up is `transactionMarker()`; purged by age.
 */
export const TransactionMarkerEntity = defineEntity({
  name: 'TransactionMarker',
  tableName: 'transaction_marker',
  properties: {
    /** The transaction id, a UUIDv7: the primary key is also the order of age. */
    id: p.string().length(36).primary(),
    state: p.tinyint().unsigned(),
  },
});
