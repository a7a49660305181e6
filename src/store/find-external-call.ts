import type { MikroORM } from '@mikro-orm/mysql';
import type { FindCall } from '../dead-letter/call-inquiry.ts';
import type { CallStatus } from '../gateway/call-status.ts';

/** Reads what is on record for a call, on the primary, changing nothing. */
export const mysqlFindCall =
  (orm: MikroORM): FindCall =>
  async (callName, idempotencyKey) => {
    const [row] = await orm.em
      .getConnection('write')
      .execute<{ status: CallStatus; lease_owner: string | null; is_expired: number | string }[]>(
        `select status, lease_owner, coalesce(lease_until <= utc_timestamp(3), true) as is_expired
       from external_call where call_name = ? and idempotency_key = ?`,
        [callName, idempotencyKey],
      );
    if (row === undefined) return undefined;
    const isLeased = row.lease_owner !== null;
    return { status: row.status, attempt: !isLeased ? 'idle' : Number(row.is_expired) === 1 ? 'abandoned' : 'running' };
  };
