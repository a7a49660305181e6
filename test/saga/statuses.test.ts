import { describe, expect, it } from 'vitest';
import { SAGA_STATUSES, type SagaStatus, canSagaMove, isSagaActive } from '../../src/saga/saga-status.ts';
import { STEP_STATUSES, type StepStatus, canStepMove } from '../../src/saga/step-status.ts';

const SAGA_MOVES: readonly `${SagaStatus} → ${SagaStatus}`[] = [
  'RUNNING → RUNNING',
  'RUNNING → COMPENSATING',
  'RUNNING → PARKED',
  'RUNNING → COMPLETED',
  'RUNNING → COMPENSATED',
  'COMPENSATING → COMPENSATING',
  'COMPENSATING → PARKED',
  'COMPENSATING → COMPENSATED',
  'PARKED → RUNNING',
  'PARKED → COMPENSATING',
  'PARKED → COMPLETED',
  'PARKED → COMPENSATED',
  'PARKED → ABANDONED',
];
const STEP_MOVES: readonly `${StepStatus} → ${StepStatus}`[] = [
  'RUNNING → RUNNING',
  'RUNNING → WAITING',
  'RUNNING → UNKNOWN',
  'RUNNING → DONE',
  'RUNNING → FAILED',
  'WAITING → RUNNING',
  'WAITING → WAITING',
  'WAITING → UNKNOWN',
  'WAITING → DONE',
  'WAITING → FAILED',
  'UNKNOWN → WAITING',
  'UNKNOWN → UNKNOWN',
  'UNKNOWN → DONE',
  'UNKNOWN → FAILED',
  'FAILED → WAITING',
  'FAILED → DONE',
];

describe('Saga status', () => {
  it.each(SAGA_STATUSES.flatMap((from) => SAGA_STATUSES.map((to) => [from, to] as const)))('%s → %s', (from, to) => {
    expect(canSagaMove(from, to)).toBe(SAGA_MOVES.includes(`${from} → ${to}`));
  });

  it('is active while a runner has work to do', () => {
    expect(SAGA_STATUSES.filter(isSagaActive)).toEqual(['RUNNING', 'COMPENSATING']);
  });
});

describe('Step status', () => {
  it.each(STEP_STATUSES.flatMap((from) => STEP_STATUSES.map((to) => [from, to] as const)))('%s → %s', (from, to) => {
    expect(canStepMove(from, to)).toBe(STEP_MOVES.includes(`${from} → ${to}`));
  });
});
