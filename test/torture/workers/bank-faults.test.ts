import { describe, expect, it } from 'vitest';
import { ALL_BANK_FAULTS, NO_BANK_FAULTS, bankStepOf } from './bank-faults.ts';

const payments = Array.from({ length: 5_000 }, (_, nth) => ({ isPayment: true, key: `order-${nth}`, nth: 1 }));
const questions = payments.map((payment) => ({ ...payment, isPayment: false }));

describe("The torture's bank", () => {
  it('does the same to the same request for the same seed, and something else for another', () => {
    const steps = (seed: number) => payments.map((payment) => bankStepOf(ALL_BANK_FAULTS, seed, payment));
    expect(steps(1)).toEqual(steps(1));
    expect(steps(1)).not.toEqual(steps(2));
  });

  it('fails in every way there is, and most of the time not at all', () => {
    const kinds = new Set(payments.map((payment) => bankStepOf(ALL_BANK_FAULTS, 1, payment)?.kind));
    expect([...kinds].map(String).sort()).toEqual(
      [
        'bad-gateway',
        'close-after',
        'endless',
        'garbage',
        'never-answer',
        'reject',
        'reset',
        'slow',
        'slow-body',
        'stall-body',
        'stop-reading',
        'truncate',
        'unavailable',
        'undefined',
      ].sort(),
    );
    const smooth = payments.filter((payment) => bankStepOf(ALL_BANK_FAULTS, 1, payment) === undefined).length;
    expect(smooth / payments.length).toBeGreaterThan(0.6);
  });

  it('takes no payment while it is asked a question', () => {
    const acting = questions
      .map((question) => bankStepOf({ payments: {}, questions: 1 }, 1, question))
      .filter(
        (step) =>
          step === undefined || !(('acts' in step && !step.acts) || ['stop-reading', 'reset', 'unavailable', 'answer'].includes(step.kind)),
      );
    expect(acting).toEqual([]);
  });

  it('without faults does what a bank does', () => {
    expect(new Set([...payments, ...questions].map((request) => bankStepOf(NO_BANK_FAULTS, 1, request)))).toEqual(new Set([undefined]));
  });
});
