import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import type { ExternalCallStore } from '../../src/gateway/external-call-store.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { type AnySaga, defineSaga } from '../../src/saga/define-saga.ts';
import { type SagaDiagnostics, onSagaEvent } from '../../src/saga/saga-diagnostics.ts';
import { startSagaRunner } from '../../src/saga/saga-runner.ts';
import type { SagaRunnerOptions } from '../../src/saga/saga-runner-options.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';
import { InMemorySagaStore } from './support/in-memory-saga-store.ts';

const POLL_MS = 1_000;
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
};

function stage(sagas: readonly AnySaga[], more: Partial<SagaRunnerOptions> = {}) {
  const clock = new ManualClock();
  const store = new InMemorySagaStore(() => clock.now());
  const start = (options: Partial<SagaRunnerOptions> = {}) => {
    const gateway = {} as Gateway;
    const runner = startSagaRunner({ sagas, store, gateway, calls: {} as ExternalCallStore, clock, random: () => 0, ...more, ...options });
    onTestFinished(() => runner.close(0).then(() => {}));
    onTestFinished(() => clock.advance(60_000));
    return runner;
  };
  return { clock, store, start };
}

function events<Name extends keyof SagaDiagnostics>(name: Name): SagaDiagnostics[Name][] {
  const seen: SagaDiagnostics[Name][] = [];
  onTestFinished(onSagaEvent(name, (event) => seen.push(event)));
  return seen;
}

const noting = (story: string[], name: string) => () => void story.push(name);

describe('SagaRunner', () => {
  it('runs what is due at once, and tells about it', async () => {
    const story: string[] = [];
    const saga = defineSaga({ name: 's' })
      .step({ name: 'a', action: noting(story, 'a') })
      .step({ name: 'b', action: noting(story, 'b') });
    const { store, start } = stage([saga]);
    const told = { started: events('started'), steps: events('step-done'), completed: events('completed') };
    store.start(saga, 's-1');
    start();
    await settled();
    expect(story).toEqual(['a', 'b']);
    expect(store.get('s-1').status).toBe('COMPLETED');
    expect(told.started).toEqual([{ sagaId: 's-1', saga: 's', version: 1, correlationId: 'correlation-s-1' }]);
    expect(told.steps.map(({ step, direction }) => [step, direction])).toEqual([
      ['a', 'action'],
      ['b', 'action'],
    ]);
    expect(told.completed).toHaveLength(1);
  });

  it('finds what becomes due at its next poll, or when poked', async () => {
    const story: string[] = [];
    const saga = defineSaga({ name: 's' }).step({ name: 'a', action: noting(story, 'a') });
    const { clock, store, start } = stage([saga]);
    const runner = start();
    await settled();
    store.start(saga, 's-1');
    await settled();
    expect(story).toHaveLength(0);
    await clock.advance(POLL_MS);
    await settled();
    expect(story).toHaveLength(1);
    store.start(saga, 's-2');
    runner.poke();
    await settled();
    expect(story).toHaveLength(2);
  });

  it('never works more instances at once than it may', async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const saga = defineSaga({ name: 's' }).step({
      name: 'a',
      action: async () => {
        most = Math.max(most, (running += 1));
        await gate.promise;
        running -= 1;
      },
    });
    const { store, start } = stage([saga], { concurrency: 3, chunk: 2 });
    for (let n = 0; n < 10; n += 1) store.start(saga, `s-${n}`);
    start();
    await settled();
    expect([running, most]).toEqual([3, 3]);
    gate.resolve();
    await settled();
    expect(await store.countByStatus()).toMatchObject({ COMPLETED: 10 });
    expect(most).toBe(3);
  });

  it('retries a step that threw, with backoff, and compensates after its attempts', async () => {
    let tries = 0;
    const story: string[] = [];
    const saga = defineSaga({ name: 's' })
      .step({ name: 'a', action: noting(story, 'a'), compensation: noting(story, 'undo a') })
      .step({
        name: 'b',
        action: () => {
          tries += 1;
          throw new Error('not today');
        },
        retry: { maxAttempts: 3, baseMs: 10_000, maxMs: 15_000 },
      });
    const { clock, store, start } = stage([saga], { random: () => 0.999 });
    const told = { compensating: events('compensating'), compensated: events('compensated') };
    store.start(saga, 's-1');
    start();
    await settled();
    expect(tries).toBe(1);
    await clock.advance(8_000);
    expect(tries).toBe(1);
    await clock.advance(4_000);
    await settled();
    expect(tries).toBe(2);
    await clock.advance(20_000);
    await settled();
    expect(tries).toBe(3);
    expect(story).toEqual(['a', 'undo a']);
    expect(store.get('s-1')).toMatchObject({ status: 'COMPENSATED', error: 'action of "b": Error: not today' });
    expect(told.compensating).toMatchObject([{ error: 'action of "b": Error: not today' }]);
    expect(told.compensated).toHaveLength(1);
  });

  it('parks a compensation that keeps throwing', async () => {
    const saga = defineSaga({ name: 's' })
      .step({
        name: 'a',
        action: () => {},
        compensation: () => {
          throw new Error('no way back');
        },
        retry: { maxAttempts: 2 },
      })
      .step({
        name: 'b',
        action: () => {
          throw new Error('no way on');
        },
        retry: { maxAttempts: 1 },
      });
    const { clock, store, start } = stage([saga]);
    const parked = events('parked');
    store.start(saga, 's-1');
    start();
    await settled();
    await clock.advance(10_000);
    await settled();
    expect(store.get('s-1')).toMatchObject({ status: 'PARKED', fence: undefined, nextRunAt: undefined });
    expect(parked).toMatchObject([{ sagaId: 's-1', step: 'a', direction: 'compensation', error: expect.stringContaining('no way back') }]);
  });

  it('leaves an instance of another version, or of other steps, alone and says so once', async () => {
    const before = defineSaga({ name: 's' }).step({ name: 'a', action: () => {} });
    const after = defineSaga({ name: 's' }).step({ name: 'b', action: () => {} });
    const { clock, store, start } = stage([after]);
    const unknown = events('unknown-definition');
    store.start(before, 's-1');
    start();
    await settled();
    for (let n = 0; n < 100; n += 1) await clock.advance(POLL_MS);
    expect(store.get('s-1')).toMatchObject({ status: 'RUNNING', revision: 0, steps: [] });
    expect(unknown).toEqual([{ name: 's', version: 1, fingerprint: before.fingerprint, instances: 1 }]);
  });

  it('runs several versions side by side', async () => {
    const story: string[] = [];
    const one = defineSaga({ name: 's', version: 1 }).step({ name: 'a', action: noting(story, 'one') });
    const two = defineSaga({ name: 's', version: 2 }).step({ name: 'b', action: noting(story, 'two') });
    const { store, start } = stage([one, two]);
    store.start(one, 's-1');
    store.start(two, 's-2');
    start();
    await settled();
    expect(story.sort()).toEqual(['one', 'two']);
  });

  it('ends the step in progress when it closes, begins no other, and gives the instance free', async () => {
    const story: string[] = [];
    const gate = Promise.withResolvers<void>();
    const saga = defineSaga({ name: 's' })
      .step({ name: 'a', action: () => gate.promise })
      .step({ name: 'b', action: noting(story, 'b') });
    const { clock, store, start } = stage([saga]);
    store.start(saga, 's-1');
    const runner = start();
    await settled();
    const closed = runner.close();
    expect(runner.close()).toBe(closed);
    await settled();
    gate.resolve();
    await closed;
    expect(store.get('s-1')).toMatchObject({ status: 'RUNNING', step: 1, fence: undefined, nextRunAt: clock.now() });
    expect(story).toEqual([]);
    expect(clock.timers).toBe(0);
    start();
    await settled();
    expect(store.get('s-1').status).toBe('COMPLETED');
  });

  it('closes a second after its deadline even when a step hangs', async () => {
    const saga = defineSaga({ name: 's' }).step({ name: 'a', action: () => new Promise<void>(() => {}) });
    const { clock, store, start } = stage([saga]);
    store.start(saga, 's-1');
    const runner = start();
    await settled();
    let isClosed = false;
    void runner.close(5_000).then(() => (isClosed = true));
    await clock.advance(5_999);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await settled();
    expect(isClosed).toBe(true);
    expect(clock.timers).toBe(0);
  });

  it('outlives a database that fails', async () => {
    const story: string[] = [];
    const saga = defineSaga({ name: 's' }).step({ name: 'a', action: noting(story, 'a') });
    const { clock, store, start } = stage([saga]);
    store.start(saga, 's-1');
    const { claim } = store;
    store.claim = () => Promise.reject(new Error('gone'));
    start();
    await settled();
    store.claim = claim;
    await clock.advance(POLL_MS);
    await settled();
    expect(story).toEqual(['a']);
  });

  it.each([
    ['no saga', []],
    ['a saga without steps', [defineSaga({ name: 's' })]],
    ['one version twice', [defineSaga({ name: 's' }), defineSaga({ name: 's' })].map((saga) => saga.step({ name: 'a', action: () => {} }))],
  ] as [string, AnySaga[]][])('refuses %s', (_what, sagas) => {
    expect(() => stage(sagas).start()).toThrow(ConfigurationError);
  });

  it.each(['concurrency', 'chunk', 'pollMs', 'leaseMs', 'drainMs'])('refuses a wrong %s, naming it', (option) => {
    const saga = defineSaga({ name: 's' }).step({ name: 'a', action: () => {} });
    expect(() => stage([saga]).start({ [option]: -1 })).toThrow(new RegExp(`^${option} must be .* -1$`));
  });
});
