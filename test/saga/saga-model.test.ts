import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSaga } from '../../src/saga/run-saga.ts';
import { isSagaActive } from '../../src/saga/saga-status.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { booking } from './support/booking.ts';
import { type Fall, type Fate, Killed, Process, World } from './support/saga-world.ts';

const NAMES = ['charge', 'reserve', 'ship', 'notify'];
const COMPENSATED = new Set(['charge', 'reserve', 'ship']);
const FATES: readonly Fate[] = [
  'SUCCESS',
  'FAIL',
  'PENDING',
  'UNKNOWN, acted',
  'UNKNOWN, refused',
  'UNKNOWN, never arrived',
  'SUCCESS, unrecorded',
  'SUCCESS, recorded unawares',
];
const LEASE_MS = 5_000;

/** Fates by key and attempt; SUCCESS where nothing is said. */
type Plan = Readonly<Record<string, readonly Fate[]>>;

const fatesOf =
  (plan: Plan) =>
  (key: string, attempt: number): Fate => {
    const [, name = '', ...rest] = key.split(':');
    const fates = plan[rest[0] === 'compensation' ? `${name}:compensation` : name] ?? [];
    // Each round is another request: its fates begin where the one before ended.
    return fates[attempt - 1 + (Number(rest[1] ?? 1) - 1)] ?? 'SUCCESS';
  };

async function live(plan: Plan, falls: readonly Fall[], silentQuestions = 0): Promise<{ world: World; points: number }> {
  const world = new World(fatesOf(plan), silentQuestions);
  const stopped: { process: Process; ended: Promise<void> }[] = [];
  let process = new Process(world, falls[0]);
  const saga = booking(() => process, world);
  world.store.start(saga, 's');
  let points = 0;
  for (let generation = 1; isSagaActive(world.store.get('s').status);) {
    if (generation > 200) throw new Error(`no end: ${JSON.stringify(world.store.get('s'))}`);
    world.skipAhead();
    const current = process;
    const deps = { store: current.store, gateway: current.gateway, calls: current.calls, ask: current.ask, random: () => 0.5 };
    const never = new AbortController().signal;
    const run = async (): Promise<void> => {
      const [claimed] = await deps.store.claim([saga], 1, LEASE_MS);
      if (claimed) await runSaga(saga, claimed, { ...deps, leaseMs: LEASE_MS, logger: silentLogger, stopping: never }, never);
    };
    let isKilled = false;
    const ended = run().catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
      isKilled = true;
    });
    const isStopped = await Promise.race([ended.then(() => false), current.stopped.then(() => true)]);
    points = Math.max(points, current.points);
    if (isStopped) stopped.push({ process: current, ended });
    if (isStopped || isKilled) process = new Process(world, falls[generation++]);
    else generation += 0.01;
  }
  // Those that were stopped wake up to a saga that is over, and go on where they were.
  for (const { process: sleeper, ended } of stopped) {
    sleeper.continue();
    await ended;
  }
  return { world, points };
}

/** The claims of the design, on what took effect and in which order. */
function judge({ store, effects, count }: { store: World['store']; effects: readonly string[]; count: (effect: string) => number }): void {
  const { status } = store.get('s');
  const undone = (name: string): string[] => effects.filter((effect) => effect.startsWith(`s:${name}:compensation`));
  for (const name of NAMES) {
    expect(count(`s:${name}`), `action of ${name}`).toBeLessThanOrEqual(1);
    expect(undone(name).length, `compensation of ${name}`).toBeLessThanOrEqual(count(`s:${name}`));
  }
  const done = effects.filter((effect) => !effect.includes(':compensation')).map((effect) => effect.slice(2));
  const back = effects.filter((effect) => effect.includes(':compensation')).map((effect) => effect.split(':')[1]!);
  if (status === 'COMPLETED') expect([done, back]).toEqual([NAMES, []]);
  if (status === 'COMPENSATED') expect(back).toEqual(done.filter((name) => COMPENSATED.has(name)).toReversed());
  const firstBack = effects.findIndex((effect) => effect.includes(':compensation'));
  if (firstBack >= 0) expect(effects.slice(firstBack).filter((effect) => !effect.includes(':compensation'))).toEqual([]);
  expect(['COMPLETED', 'COMPENSATED', 'PARKED']).toContain(status);
}

const judged = ({ world }: { world: World }): string => {
  judge({ store: world.store, effects: world.effects, count: (effect) => world.count(effect) });
  return world.store.get('s').status;
};

describe('A saga', () => {
  it('completes', async () => {
    expect(judged(await live({}, []))).toBe('COMPLETED');
  });

  it.each(NAMES)('compensates everything before %s when that fails', async (name) => {
    const { world } = await live({ [name]: ['FAIL'] }, []);
    expect(judged({ world })).toBe('COMPENSATED');
    expect(world.effects.map((effect) => effect.slice(2))).toEqual([
      ...NAMES.slice(0, NAMES.indexOf(name)),
      ...NAMES.slice(0, NAMES.indexOf(name))
        .toReversed()
        .map((done) => `${done}:compensation`),
    ]);
  });

  it('gives an unavailable action up after its attempts, and compensates', async () => {
    expect(judged(await live({ ship: ['PENDING', 'PENDING', 'PENDING'] }, []))).toBe('COMPENSATED');
  });

  it('parks a compensation that is refused, or unavailable, once too often', async () => {
    expect(judged(await live({ ship: ['FAIL'], 'charge:compensation': ['FAIL', 'FAIL', 'FAIL'] }, []))).toBe('PARKED');
    expect(judged(await live({ ship: ['FAIL'], 'charge:compensation': ['PENDING', 'PENDING', 'PENDING'] }, []))).toBe('PARKED');
    expect(judged(await live({ ship: ['FAIL'], 'charge:compensation': ['FAIL', 'FAIL'] }, []))).toBe('COMPENSATED');
  });

  it('neither goes on nor back while an outcome is unknown, and parks when the institution never says', async () => {
    const { world } = await live({ ship: ['UNKNOWN, acted'] }, [], 100);
    expect(judged({ world })).toBe('PARKED');
    expect(world.effects).toEqual(['s:charge', 's:reserve', 's:ship']);
  });

  // Every point of the way × every fate of one call, forward and back: dying there, and being stopped there until all is over.
  const plans: Plan[] = FATES.flatMap((fate) => [
    { ship: [fate] },
    { charge: [fate], notify: ['FAIL'] },
    { notify: ['FAIL'], 'ship:compensation': [fate] },
    { ship: [fate, 'PENDING', 'PENDING', 'PENDING'] },
  ]);
  it.each(plans)('survives a kill and a stop at every point: %j', async (plan) => {
    const { points } = await live(plan, []);
    let fallen = 0;
    for (const how of ['killed', 'stopped'] as const) {
      for (let at = 1; at <= points + 2; at += 1) {
        judged(await live(plan, [{ at, how }]));
        fallen += 1;
      }
    }
    expect(fallen).toBeGreaterThan(20);
  });

  it('survives any fates with any falls', async () => {
    const fate = fc.constantFrom(...FATES);
    const keys = NAMES.flatMap((name) => [name, `${name}:compensation`]);
    const plan = fc.record(Object.fromEntries(keys.map((key) => [key, fc.array(fate, { maxLength: 4 })])));
    const fall = fc.record({ at: fc.integer({ min: 1, max: 40 }), how: fc.constantFrom('killed' as const, 'stopped' as const) });
    const ends = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(plan, fc.array(fall, { maxLength: 8 }), fc.integer({ min: 0, max: 3 }), async (fates, falls, silent) => {
        const end = judged(await live(fates, falls, silent));
        ends.set(end, (ends.get(end) ?? 0) + 1);
      }),
      { numRuns: 300 },
    );
    expect([...ends.keys()].sort()).toEqual(['COMPENSATED', 'COMPLETED', 'PARKED']);
  });
});
