import type { EntityManager } from '@mikro-orm/core';

/**
 * Remembers which messages have had their effect on our rows. Safe for concurrent use from many processes.
 */
export interface ProcessedMessageStore {
  /**
   * Runs `work` in one transaction that also records (listener, idempotency key), and says `processed`; says `duplicate`,
   * `work` not having run, when that is on record. One of several concurrent callers of a key works, the others wait for
   * it and are duplicates if it commits. Rejects with what `work` threw or the driver's error, nothing being changed then,
   * unless the connection was lost in the COMMIT: calling again finds the truth.
   */
  once(listener: string, idempotencyKey: string, work: (em: EntityManager) => Promise<void>): Promise<'processed' | 'duplicate'>;
}
