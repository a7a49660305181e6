export { type Order, OrderEntity } from './order.entity.ts';
export { Migration20260101000000Orders } from './migrations/migration-20260101000000-orders.ts';
