// The worked example's table.
export { type Order, OrderEntity } from './order.entity.ts';
export { Migration20260101000000Orders } from './migrations/migration-20260101000000-orders.ts';

// The engine's own tables.
export { type ExternalCallRow, ExternalCallEntity } from './external-call.entity.ts';
export { type ExternalCallAttemptRow, ExternalCallAttemptEntity } from './external-call-attempt.entity.ts';
export { type ExternalCallResponseRow, ExternalCallResponseEntity } from './external-call-response.entity.ts';
export { TransactionMarkerEntity } from './transaction-marker.entity.ts';
export { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from './engine.ts';
