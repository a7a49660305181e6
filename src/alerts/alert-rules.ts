import { onDeadLetterEvent } from '../dead-letter/diagnostics.ts';
import { onGatewayEvent } from '../gateway/gateway-events.ts';
import { onSagaEvent } from '../saga/saga-diagnostics.ts';
import type { Clock } from '../shared/clock.ts';
import { onStatusCheckEvent } from '../status-check/diagnostics.ts';
import { onTransactionEvent } from '../transaction/diagnostics.ts';
import { onWorkerEvent } from '../worker/diagnostics.ts';
import type { Alert } from './alert.ts';
import { EventRate } from './event-rate.ts';

export type RaisedAlert = Omit<Alert, 'at' | 'repeated'>;

export interface AlertRules {
  /** Connect timeouts of one origin within `windowMs` that are an alert. Default 5. */
  readonly connectTimeouts: number;
  /** Default 60,000. */
  readonly windowMs: number;
}

/** Turns what the engine tells into alerts, until the function it returns is called. `raise` must not throw. */
export function watchEvents(rules: AlertRules, clock: Clock, raise: (alert: RaisedAlert) => void): () => void {
  const connectTimeouts = new EventRate(rules.connectTimeouts, rules.windowMs, clock);
  const stops = [
    onGatewayEvent('circuit-changed', ({ origin, state, before, failures }) => {
      if (state !== 'open' || before !== 'closed') return;
      const summary = `Calls to "${origin}" are stopped: ${failures} failed in a row. Messages wait; a probe goes out by itself.`;
      raise({ kind: 'circuit-opened', severity: 'critical', subject: origin, summary, details: { origin, failures } });
    }),
    onGatewayEvent('connect-timeout', ({ origin, call, connectMs }) => {
      const count = connectTimeouts.hit(origin);
      if (count === undefined) return;
      const summary = `"${origin}" gave no connection within ${connectMs} ms, ${count} times in ${rules.windowMs / 1_000} s.`;
      raise({ kind: 'connect-timeouts', severity: 'warning', subject: origin, summary, details: { origin, call, count } });
    }),
    onWorkerEvent('dead-lettered', ({ listener, topic, messageId, correlationId, deliveryAttempt, reason }) => {
      const summary = `A message of "${topic}" is dead for listener "${listener}" after ${deliveryAttempt} deliveries: ${reason}. See "checkback dlq".`;
      const details = { listener, topic, messageId, correlationId, deliveryAttempt };
      raise({ kind: 'dead-letter', severity: 'warning', subject: `${topic} ${listener}`, summary, details });
    }),
    // Only those no worker of ours gave up on: the broker's own dead letters.
    onDeadLetterEvent('kept', ({ id, topic, group, messageId, reason, isNew }) => {
      if (!isNew || reason !== 'BROKER_LIMIT') return;
      const summary = `The broker gave up on a message of "${topic}" for group "${group}". See "checkback dlq show ${id}".`;
      raise({ kind: 'dead-letter', severity: 'warning', subject: `${topic} ${group}`, summary, details: { id, topic, group, messageId } });
    }),
    onStatusCheckEvent('review', ({ listener, callName, idempotencyKey, correlationId, reason, unknownForMs }) => {
      const summary = `Nobody knows what became of call "${callName}" ${idempotencyKey} (${reason}): a person has to find out and resolve it.`;
      const details = { listener, callName, idempotencyKey, correlationId, unknownForMs };
      raise({ kind: 'unknown-needs-review', severity: 'critical', subject: callName, summary, details });
    }),
    onStatusCheckEvent('unknown-listener', ({ listener, callName, count }) => {
      const summary = `${count} calls "${callName}" of unknown outcome wait for listener "${listener}", which this process does not have.`;
      raise({ kind: 'nobody-responsible', severity: 'warning', subject: listener, summary, details: { listener, callName, count } });
    }),
    onSagaEvent('parked', ({ sagaId, saga, step, direction, correlationId }) => {
      const summary = `Saga "${saga}" ${sagaId} stopped at the ${direction} of step "${step}": a person has to retry, resume or abandon it.`;
      raise({
        kind: 'saga-parked',
        severity: 'critical',
        subject: saga,
        summary,
        details: { sagaId, saga, step, direction, correlationId },
      });
    }),
    onSagaEvent('unknown-definition', ({ name: saga, version, instances }) => {
      const summary = `${instances} instances of saga "${saga}" version ${version} wait for a definition that this process does not have.`;
      raise({ kind: 'nobody-responsible', severity: 'warning', subject: saga, summary, details: { saga, version, instances } });
    }),
    onTransactionEvent('check-budget-low', ({ topic, listener, transactionId, correlationId, round }) => {
      const summary = `The broker has asked ${round} times about a half message of "${topic}" without an answer and will soon park it.`;
      raise({
        kind: 'check-budget-low',
        severity: 'critical',
        subject: topic,
        summary,
        details: { topic, listener, transactionId, correlationId, round },
      });
    }),
    onTransactionEvent('foreign-owner', ({ topic, owner, round }) => {
      const summary = `Another service (${owner ?? 'one that names itself nothing'}) publishes transactions on "${topic}": give each service a topic of its own.`;
      raise({ kind: 'foreign-owner', severity: 'warning', subject: topic, summary, details: { topic, owner, round } });
    }),
    onTransactionEvent('clock-offset', ({ topic, offsetMs }) => {
      const summary = `The clock of a producer of "${topic}" differs from the broker's by ${offsetMs} ms: synchronise them.`;
      raise({ kind: 'clock-offset', severity: 'warning', subject: topic, summary, details: { topic, offsetMs } });
    }),
    onTransactionEvent('in-doubt', ({ topic, listener, transactionId, correlationId }) => {
      const summary = `Whether transaction ${transactionId} of "${listener}" committed could not be found out yet; the broker will ask.`;
      raise({
        kind: 'transaction-in-doubt',
        severity: 'warning',
        subject: topic,
        summary,
        details: { topic, listener, transactionId, correlationId },
      });
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
