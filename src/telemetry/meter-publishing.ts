import { onCaptureEvent } from '../change-data-capture/diagnostics.ts';
import { CheckbackError } from '../errors.ts';
import { onOutboxEvent } from '../outbox/diagnostics.ts';
import { onSegmentedLogEvent } from '../segmented-log/diagnostics.ts';
import { onTransactionEvent, onTransactionOperation } from '../transaction/diagnostics.ts';
import type { Measure } from './instruments.ts';
import { timed } from './timed.ts';

/** Counts and times what publishers and carriers of their messages tell; returns how to stop, one function each. */
export function meterPublishing(measure: Measure): (() => void)[] {
  return [...meterHalves(measure), ...meterCarriers(measure)];
}

function meterHalves(measure: Measure): (() => void)[] {
  const one = 'checkback.transactions';
  return [
    onTransactionOperation('publish', ({ topic }) =>
      timed((seconds, error, isRejected) =>
        measure('checkback.publish.duration.seconds', seconds, { topic, outcome: isRejected ? outcomeOf(error) : 'committed' }),
      ),
    ),
    onTransactionEvent('half-sent', ({ topic, messages }) => measure('checkback.half_messages.sent', messages, { topic })),
    onTransactionEvent('committed', ({ topic }) => measure(one, 1, { topic, outcome: 'committed', reason: '' })),
    onTransactionEvent('rolled-back', ({ topic, reason }) => measure(one, 1, { topic, outcome: 'rolled_back', reason })),
    onTransactionEvent('in-doubt', ({ topic }) => measure(one, 1, { topic, outcome: 'in_doubt', reason: '' })),
    onTransactionEvent('ended', ({ topic, resolution }) => measure('checkback.ends', 1, { topic, resolution, result: 'handed_over' })),
    onTransactionEvent('end-failed', ({ topic, resolution }) => measure('checkback.ends', 1, { topic, resolution, result: 'failed' })),
    onTransactionOperation('check-back', ({ topic }) =>
      timed((seconds) => measure('checkback.check_back.duration.seconds', seconds, { topic })),
    ),
    onTransactionEvent('checked', ({ topic, resolution, round }) =>
      measure('checkback.check_backs', 1, { topic, resolution, round: roundLabel(round) }),
    ),
    onTransactionEvent('check-budget-low', ({ topic }) => measure('checkback.check_backs.budget_low', 1, { topic })),
    onTransactionEvent('foreign-owner', ({ topic }) => measure('checkback.check_backs.foreign', 1, { topic })),
    onTransactionEvent('clock-offset', ({ topic }) => measure('checkback.clock_offsets', 1, { topic })),
  ];
}

function meterCarriers(measure: Measure): (() => void)[] {
  const messages = 'checkback.outbox.messages';
  const relayed = (['sent', 'failed', 'parked'] as const).flatMap((result) => [
    onOutboxEvent(result, ({ topic }) => measure(messages, 1, { strategy: 'pollingOutbox', topic, result })),
    onSegmentedLogEvent(result, ({ topic }) => measure(messages, 1, { strategy: 'localSegmentedOutbox', topic, result })),
    onCaptureEvent(result, ({ topic }) => measure(messages, 1, { strategy: 'changeDataCapture', topic, result })),
  ]);
  return [
    ...relayed,
    onOutboxEvent('lease-lost', ({ count }) => measure('checkback.outbox.leases_lost', count, {})),
    onSegmentedLogEvent('damaged', ({ lost }) => measure('checkback.outbox.lost', lost, {})),
    onSegmentedLogEvent('broken', () => measure('checkback.outbox.stopped', 1, { strategy: 'localSegmentedOutbox' })),
    onCaptureEvent('held', ({ topic }) => measure(messages, 1, { strategy: 'changeDataCapture', topic, result: 'held' })),
    onCaptureEvent('stopped', () => measure('checkback.outbox.stopped', 1, { strategy: 'changeDataCapture' })),
    onCaptureEvent('lag', ({ name, lagMs }) => measure('checkback.capture.lag.seconds', lagMs / 1_000, { capture: name })),
  ];
}

const OUTCOMES: Readonly<Record<string, string>> = {
  CB_TRANSACTION_IN_DOUBT: 'in_doubt',
  CB_LOCAL_TRANSACTION: 'rolled_back',
  CB_MESSAGE_NOT_KEPT: 'not_kept',
};
const outcomeOf = (error: unknown): string => (error instanceof CheckbackError ? OUTCOMES[error.code] : undefined) ?? 'refused';

/** Rounds have no end; their label has. */
export function roundLabel(round: number): string {
  if (round <= 2) return String(round);
  if (round <= 5) return '3-5';
  return round <= 10 ? '6-10' : '11+';
}
