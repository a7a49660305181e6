import { ExternalCallAttemptEntity } from './external-call-attempt.entity.ts';
import { ExternalCallResponseEntity } from './external-call-response.entity.ts';
import { ExternalCallEntity } from './external-call.entity.ts';
import { Migration20260101000100ExternalCall } from './migrations/migration-20260101000100-external-call.ts';
import { Migration20260101000200TransactionMarker } from './migrations/migration-20260101000200-transaction-marker.ts';
import { TransactionMarkerEntity } from './transaction-marker.entity.ts';

/** Tables the engine needs in the business's database. */
export const ENGINE_ENTITIES = [ExternalCallEntity, ExternalCallAttemptEntity, ExternalCallResponseEntity, TransactionMarkerEntity];

/** Their migrations, oldest first; run by `checkback migrate` together with the business's own. */
export const ENGINE_MIGRATIONS = [Migration20260101000100ExternalCall, Migration20260101000200TransactionMarker];
