import { describe, expect, it } from 'vitest';
import { type CheckbackError } from '../../src/errors.ts';
import type { CallStatus } from '../../src/gateway/call-status.ts';
import { type ClassifyRules, classifyOutcome } from '../../src/gateway/classify-outcome.ts';
import type { Exchange, FailureReason, TimeoutPhase } from '../../src/gateway/exchange.ts';
import { type CallAnswer, DEFAULT_CALL_TIMEOUTS } from '../../src/gateway/external-call.ts';

const NOW = Date.parse('2026-05-06T07:08:09Z');
const rules: ClassifyRules = { attempted: 'POST bank (pay-order)', timeouts: DEFAULT_CALL_TIMEOUTS, maxRetryAfterMs: 3_600_000 };
const common = { times: { connectMs: 1, writeMs: 1, headersMs: 1, bodyMs: 1, totalMs: 4 }, remoteAddress: '127.0.0.1' };

const failed = (phase: TimeoutPhase, reason: FailureReason): Exchange => ({
  kind: 'failed',
  phase,
  reason,
  error: new Error('cause'),
  answer: undefined,
  ...common,
});
const answered = (httpStatus: number): Exchange => ({
  kind: 'answered',
  answer: { httpStatus, headers: [], body: Buffer.alloc(0), isTruncated: false },
  ...common,
});
const saying = (httpStatus: number, headers: Record<string, string> = {}, response?: unknown): CallAnswer => ({
  httpStatus,
  headers,
  response,
});
const classify = (httpStatus: number, headers?: Record<string, string>, more: Partial<ClassifyRules> = {}) =>
  classifyOutcome(answered(httpStatus), saying(httpStatus, headers), { ...rules, ...more }, NOW);

describe('classifyOutcome', () => {
  describe('given an exchange without a complete answer', () => {
    const table: [TimeoutPhase, FailureReason, CallStatus, string][] = [
      ['connect', 'timeout', 'PENDING', 'CB_CONNECT_TIMEOUT'],
      ['connect', 'lost', 'PENDING', 'CB_CONNECT'],
      ['connect', 'malformed', 'PENDING', 'CB_CONNECT'],
      ['connect', 'deadline', 'PENDING', 'CB_DEADLINE'],
      ['connect', 'cancelled', 'PENDING', 'CB_DEADLINE'],
      ['write', 'timeout', 'UNKNOWN', 'CB_WRITE_TIMEOUT'],
      ['write', 'lost', 'UNKNOWN', 'CB_CONNECTION_LOST'],
      ['write', 'deadline', 'UNKNOWN', 'CB_DEADLINE'],
      ['write', 'cancelled', 'UNKNOWN', 'CB_DEADLINE'],
      ['read', 'timeout', 'UNKNOWN', 'CB_READ_TIMEOUT'],
      ['read', 'lost', 'UNKNOWN', 'CB_CONNECTION_LOST'],
      ['read', 'malformed', 'UNKNOWN', 'CB_UNKNOWN_OUTCOME'],
      ['read', 'oversized', 'UNKNOWN', 'CB_UNKNOWN_OUTCOME'],
      ['read', 'deadline', 'UNKNOWN', 'CB_DEADLINE'],
      ['read', 'cancelled', 'UNKNOWN', 'CB_DEADLINE'],
    ];

    it.each(table)('%s %s is %s with %s', (phase, reason, status, code) => {
      const outcome = classifyOutcome(failed(phase, reason), undefined, rules, NOW) as { status: CallStatus; error: CheckbackError };
      expect(outcome).toMatchObject({ status, error: { code, cause: expect.any(Error) } });
      // What may be tried again and what may not is one and the same question in both places.
      expect(outcome.error.retryable).toBe(status === 'PENDING');
      expect(outcome.error.acted).toBe(phase === 'connect' ? 'no' : 'maybe');
    });
  });

  describe('given a complete answer', () => {
    const table: [CallStatus, number[]][] = [
      ['SUCCESS', [200, 201, 202, 204, 299]],
      ['FAIL', [400, 402, 403, 404, 405, 410, 413, 415, 422, 451]],
      ['PENDING', [408, 425, 429]],
      ['UNKNOWN', [300, 301, 302, 303, 304, 307, 308, 401, 407, 409, 499, 500, 501, 502, 503, 504, 520, 599]],
    ];

    it.each(table.flatMap(([status, codes]) => codes.map((code) => [code, status] as const)))('%d is %s', (code, status) => {
      expect(classify(code).status).toBe(status);
    });

    it('takes 503 with Retry-After as not taken', () => {
      expect(classify(503, { 'retry-after': '9' })).toMatchObject({
        status: 'PENDING',
        retryAfterMs: 9_000,
        error: { code: 'CB_CALL_UNAVAILABLE', retryAfterMs: 9_000 },
      });
    });

    it('believes Retry-After up to its limit', () => {
      expect(classify(429, { 'retry-after': String(10 * 365 * 86_400) })).toMatchObject({ status: 'PENDING', retryAfterMs: 3_600_000 });
    });

    it('takes a 2xx whose body cannot be understood as UNKNOWN', () => {
      expect(classifyOutcome(answered(200), undefined, rules, NOW)).toMatchObject({
        status: 'UNKNOWN',
        error: { code: 'CB_UNKNOWN_OUTCOME' },
      });
    });
  });

  describe('given a classifier', () => {
    it('lets it overrule the default', () => {
      expect(classify(500, {}, { classify: () => 'FAIL' })).toMatchObject({ status: 'FAIL', error: { code: 'CB_CALL_REJECTED' } });
      expect(classify(404, {}, { classify: () => 'UNKNOWN' }).status).toBe('UNKNOWN');
      expect(classify(200, {}, { classify: () => 'PENDING' })).toMatchObject({ status: 'PENDING', retryAfterMs: undefined });
      expect(classify(302, {}, { classify: () => 'SUCCESS' })).toEqual({ status: 'SUCCESS' });
    });

    it('falls back to the default where it says nothing', () => {
      expect(classify(404, {}, { classify: () => undefined }).status).toBe('FAIL');
    });

    it('is UNKNOWN where it throws, without repeating what it said', () => {
      const outcome = classify(
        200,
        {},
        {
          classify: () => {
            throw new Error('canary');
          },
        },
      );
      expect(outcome).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_UNKNOWN_OUTCOME', cause: undefined } });
    });

    it('is not asked about an exchange without a complete answer', () => {
      expect(classifyOutcome(failed('read', 'lost'), undefined, { ...rules, classify: () => 'PENDING' }, NOW).status).toBe('UNKNOWN');
    });
  });
});
