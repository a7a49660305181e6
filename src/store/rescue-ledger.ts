import type { MikroORM } from '@mikro-orm/core';
import { ParkedHalfRescueEntity } from '../../schema/parked-half-rescue.entity.ts';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { RescueLedger } from '../reconciliation/rescue-parked.ts';

/** The ledger in the table parked_half_rescue. */
export const rescueLedger = (orm: Pick<MikroORM, 'em'>): RescueLedger => ({
  async has(messageId) {
    return (await orm.em.fork().count(ParkedHalfRescueEntity, { messageId })) > 0;
  },
  async add({ messageId, topic, properties }, by) {
    const transactionId = properties[MESSAGE_PROPERTY.transactionId] ?? null;
    await orm.em.fork().upsert(ParkedHalfRescueEntity, { messageId, topic, transactionId, rescuedBy: by, rescuedAt: new Date() });
  },
});
