/** The registry: what this service decides, and what its workers listen to. */
export { chargeAtBank, chargePayment } from './charge-payment.listener.ts';
export { type PlaceOrder, placeOrder } from './place-order.transaction.ts';
export { bankStatement } from './reconciliation/bank.statement.ts';
export { orderPayments } from './reconciliation/order-payments.source.ts';
export { fulfilOrder } from './sagas/fulfil-order.saga.ts';
export { fulfilPlacedOrder } from './sagas/fulfil-placed-order.listener.ts';
