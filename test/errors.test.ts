import { describe, expect, it } from 'vitest';
import * as errors from '../src/errors.ts';

const samples: errors.CheckbackError[] = [
  new errors.ConfigurationError('m'),
  new errors.InvalidMessageError('m'),
  new errors.BrokerError('m', { retryable: true }),
  new errors.HalfMessageError('m', { retryable: true }),
  new errors.LocalTransactionError('m', { reason: 'threw' }),
  new errors.TransactionInDoubtError('m', { transactionId: 't' }),
  new errors.MessageNotKeptError('m', { transactionId: 't', isCompensated: true }),
  new errors.SegmentedLogError('m', { reason: 'full' }),
  new errors.DatabaseUnavailableError('m'),
  new errors.ForeignTransactionError('m'),
  new errors.ClosedError('m'),
  new errors.ConnectTimeoutError('m'),
  new errors.ConnectError('m'),
  new errors.WriteTimeoutError('m'),
  new errors.ReadTimeoutError('m'),
  new errors.ConnectionLostError('m'),
  new errors.DeadlineError('m', { phase: 'read' }),
  new errors.CallRejectedError('m'),
  new errors.CallUnavailableError('m'),
  new errors.UnknownOutcomeError('m'),
  new errors.AuditUnavailableError('m'),
  new errors.CallInFlightError('m'),
  new errors.CircuitOpenError('m', { retryAfterMs: 1 }),
  new errors.CallThrottledError('m', { retryAfterMs: 1, limit: 'rate' }),
  new errors.CaptureStoppedError('m', { reason: 'schema' }),
  new errors.StepRejectedError('m'),
  new errors.SagaConflictError('m'),
  new errors.StatementRefusedError([{ line: 1, why: 'm' }]),
];

describe('Errors', () => {
  it('are all in this table', () => {
    const classes = Object.values(errors).filter((value) => value !== errors.CheckbackError);
    expect(new Set(samples.map((sample) => sample.constructor))).toEqual(new Set(classes));
  });

  it.each(samples.map((sample) => [sample.name, sample] as const))('%s answers both questions', (name, sample) => {
    expect(sample.code).toMatch(/^CB_[A-Z_]+$/);
    expect(sample.constructor.name).toBe(name);
    expect(['no', 'maybe', 'yes']).toContain(sample.acted);
    expect(typeof sample.retryable).toBe('boolean');
  });

  it('have codes of their own', () => {
    expect(new Set(samples.map((sample) => sample.code)).size).toBe(samples.length);
  });

  it('never license a blind retry while the other side may have acted', () => {
    // A broker error is about receiving and acknowledging, which are repeatable by their nature.
    const licensed = samples.filter((sample) => sample.acted !== 'no' && sample.retryable && !(sample instanceof errors.BrokerError));
    expect(licensed.map(({ name }) => name)).toEqual([]);
  });
});
