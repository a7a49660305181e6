import { describe, expect, it } from 'vitest';
import { circuitVerdict } from '../../src/gateway/circuit-verdict.ts';
import { classifyOutcome } from '../../src/gateway/classify-outcome.ts';
import type { CallStatus } from '../../src/gateway/call-status.ts';
import type { Exchange, FailureReason, TimeoutPhase } from '../../src/gateway/exchange.ts';
import { DEFAULT_CALL_TIMEOUTS } from '../../src/gateway/external-call.ts';

const common = { times: { connectMs: 1, writeMs: 1, headersMs: 1, bodyMs: 1, totalMs: 4 }, remoteAddress: undefined };
const rules = { attempted: 'POST bank (pay-order)', timeouts: DEFAULT_CALL_TIMEOUTS, maxRetryAfterMs: 3_600_000 };

const failing = (phase: TimeoutPhase, reason: FailureReason) => {
  const exchange: Exchange = { kind: 'failed', phase, reason, error: undefined, answer: undefined, ...common };
  return circuitVerdict(exchange, classifyOutcome(exchange, undefined, rules, 0));
};
const answering = (httpStatus: number, headers: Record<string, string> = {}, classify?: () => CallStatus) => {
  const answer = { httpStatus, headers: [], body: Buffer.alloc(0), isTruncated: false };
  const exchange: Exchange = { kind: 'answered', answer, ...common };
  return circuitVerdict(exchange, classifyOutcome(exchange, { httpStatus, headers, response: undefined }, { ...rules, classify }, 0));
};

describe('circuitVerdict', () => {
  const table: [TimeoutPhase, FailureReason, string][] = [
    ['connect', 'timeout', 'failed'],
    ['connect', 'lost', 'failed'],
    ['connect', 'malformed', 'failed'],
    ['connect', 'deadline', 'failed'],
    ['connect', 'cancelled', 'silent'],
    ['write', 'timeout', 'failed'],
    ['write', 'lost', 'failed'],
    ['write', 'deadline', 'failed'],
    ['write', 'cancelled', 'silent'],
    ['read', 'timeout', 'failed'],
    ['read', 'lost', 'failed'],
    ['read', 'malformed', 'failed'],
    ['read', 'oversized', 'alive'],
    ['read', 'deadline', 'failed'],
    ['read', 'cancelled', 'silent'],
  ];

  it.each(table)('%s %s is %s', (phase, reason, kind) => {
    expect(failing(phase, reason).kind).toBe(kind);
  });

  it.each([200, 201, 302, 400, 401, 404, 407, 409, 422, 499])('takes %d as a sign of life', (status) => {
    expect(answering(status)).toEqual({ kind: 'alive' });
  });

  it.each([500, 502, 503, 504, 520])('takes %d as a failure', (status) => {
    expect(answering(status)).toEqual({ kind: 'failed' });
  });

  it('takes a 5xx that the call calls definite as a sign of life', () => {
    expect(answering(500, {}, () => 'FAIL')).toEqual({ kind: 'alive' });
  });

  it.each([408, 425, 429])('takes %d as busy', (status) => {
    expect(answering(status)).toEqual({ kind: 'busy', retryAfterMs: undefined });
  });

  it('takes 503 with Retry-After as busy for so long', () => {
    expect(answering(503, { 'retry-after': '9' })).toEqual({ kind: 'busy', retryAfterMs: 9_000 });
  });
});
