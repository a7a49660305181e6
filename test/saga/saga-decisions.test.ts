import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigurationError, SagaConflictError } from '../../src/errors.ts';
import { runSaga } from '../../src/saga/run-saga.ts';
import { onSagaEvent } from '../../src/saga/saga-diagnostics.ts';
import { sagaDecisions } from '../../src/saga/saga-decisions.ts';
import { isSagaActive } from '../../src/saga/saga-status.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { booking } from './support/booking.ts';
import { type Fate, Process, World } from './support/saga-world.ts';

const ANNA = { by: 'anna', why: 'called the bank' };

/** A booking whose calls end as `fates` say, by the name of the step; run until it ends or is parked. */
async function play(fates: Record<string, Fate[]>, silentQuestions = 0) {
  const world = new World((key) => fates[key.slice(2)]?.shift() ?? 'SUCCESS', silentQuestions);
  const process = new Process(world);
  const saga = booking(() => process, world);
  const run = async (): Promise<string> => {
    const never = new AbortController().signal;
    const { store, gateway, calls, ask } = process;
    while (isSagaActive(world.store.get('s').status)) {
      world.skipAhead();
      const [claimed] = await store.claim([saga], 1, 1_000);
      const deps = { store, gateway, calls, ask, random: () => 0.5, leaseMs: 1_000, logger: silentLogger, stopping: never };
      if (claimed) await runSaga(saga, claimed, deps, never);
    }
    return world.store.get('s').status;
  };
  world.store.start(saga, 's');
  return {
    world,
    saga,
    run,
    status: await run(),
    decide: sagaDecisions(world.store, [saga]),
    effects: () => world.effects.map((effect) => effect.slice(2)),
  };
}

const refusedRefund = () =>
  play({ ship: ['FAIL'], 'charge:compensation': ['FAIL'], 'charge:compensation:2': ['FAIL'], 'charge:compensation:3': ['FAIL'] });

describe('Decisions about a parked saga', () => {
  it('retry sends a refused compensation as a request of its own, and the saga goes on', async () => {
    const { status, decide, run, effects, world } = await refusedRefund();
    expect(status).toBe('PARKED');
    await decide.retry('s', ANNA);
    expect(await run()).toBe('COMPENSATED');
    expect(effects()).toEqual(['charge', 'reserve', 'reserve:compensation', 'charge:compensation:4']);
    expect((await world.store.find('s'))?.decisions).toEqual([{ kind: 'retry', ...ANNA, at: expect.any(Date) }]);
    // Straight away: no attempt was lost on the old key.
    expect(world.store.get('s').steps.find(({ name, direction }) => name === 'charge' && direction === 'compensation')).toMatchObject({
      failures: 0,
      round: 4,
    });
  });

  it('resume takes a compensation made by hand for done, and nobody makes it any more', async () => {
    const { decide, run, effects, world } = await play({ ship: ['FAIL'], 'charge:compensation': ['PENDING', 'PENDING', 'PENDING'] });
    await decide.resume('s', { outcome: 'DONE', ...ANNA });
    expect(await run()).toBe('COMPENSATED');
    expect(effects()).toEqual(['charge', 'reserve', 'reserve:compensation']);
    expect(world.row('refund s:charge:compensation').status).toBe('SUCCESS');
  });

  it('resume takes an action of unknown outcome for done, with its result, and goes forward', async () => {
    const { status, decide, run, effects, world } = await play({ ship: ['UNKNOWN, acted'] }, 100);
    expect(status).toBe('PARKED');
    await decide.resume('s', { outcome: 'DONE', result: { parcel: 7 }, ...ANNA });
    expect(await run()).toBe('COMPLETED');
    expect(effects()).toEqual(['charge', 'reserve', 'ship', 'notify']);
    expect(world.row('ship s:ship').status).toBe('SUCCESS');
    expect(world.store.get('s').steps.find(({ name }) => name === 'ship')?.result).toBe('{"parcel":7}');
  });

  it('resume of the last step ends the saga, and tells', async () => {
    const told: string[] = [];
    onTestFinished(onSagaEvent('completed', ({ sagaId }) => told.push(sagaId)));
    const { decide, run } = await play({ notify: ['UNKNOWN, acted'] }, 100);
    await decide.resume('s', { outcome: 'DONE', ...ANNA });
    expect(await run()).toBe('COMPLETED');
    expect(told).toEqual(['s']);
  });

  it('resume takes an action of unknown outcome for failed, and compensates', async () => {
    const { decide, run, effects, world } = await play({ ship: ['UNKNOWN, never arrived'] }, 100);
    await decide.resume('s', { outcome: 'FAILED', ...ANNA });
    expect(await run()).toBe('COMPENSATED');
    expect(effects()).toEqual(['charge', 'reserve', 'reserve:compensation', 'charge:compensation']);
    expect(world.row('ship s:ship').status).toBe('FAIL');
  });

  it('retry asks after an unknown outcome at once', async () => {
    const { decide, run, effects, world } = await play({ ship: ['UNKNOWN, acted'] }, 9);
    const now = world.now;
    await decide.retry('s', ANNA);
    expect(await run()).toBe('COMPLETED');
    expect(world.now).toBe(now);
    expect(effects()).toEqual(['charge', 'reserve', 'ship', 'notify']);
  });

  it('abandon is for good, and leaves what was done', async () => {
    const { decide, run, effects } = await refusedRefund();
    await decide.abandon('s', ANNA);
    expect(await run()).toBe('ABANDONED');
    expect(effects()).toEqual(['charge', 'reserve', 'reserve:compensation']);
    await expect(decide.retry('s', ANNA)).rejects.toThrow(SagaConflictError);
  });

  it('are refused for a saga that is not parked or not there, without a name or a reason, and leave no trace', async () => {
    const { world, decide } = await play({});
    for (const decision of [
      decide.retry('s', ANNA),
      decide.abandon('s', ANNA),
      decide.resume('s', { outcome: 'DONE', ...ANNA }),
      decide.retry('x', ANNA),
    ])
      await expect(decision).rejects.toThrow(SagaConflictError);
    await expect(decide.retry('s', { by: '', why: 'x' })).rejects.toThrow(/^by must be/);
    await expect(decide.retry('s', { by: 'x', why: ' ' })).rejects.toThrow(/^why must be/);
    expect((await world.store.find('s'))?.decisions).toEqual([]);
  });

  it('cannot go on from a compensation that failed, nor with a definition that is not known', async () => {
    const { world, decide } = await refusedRefund();
    await expect(decide.resume('s', { outcome: 'FAILED', ...ANNA })).rejects.toThrow(RangeError);
    await expect(sagaDecisions(world.store, []).resume('s', { outcome: 'DONE', ...ANNA })).rejects.toThrow(ConfigurationError);
  });
});
