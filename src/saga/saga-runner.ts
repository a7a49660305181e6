import { ConfigurationError } from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { silentLogger } from '../shared/logger.ts';
import { askThrough } from './ask-institution.ts';
import { describeError } from './describe-error.ts';
import { runSaga } from './run-saga.ts';
import { emitSagaEvent } from './saga-diagnostics.ts';
import type { ClaimedSaga } from './saga-instance.ts';
import { type SagaRunnerOptions, resolveSagaRunnerLimits, sagaRegistry } from './saga-runner-options.ts';

/** A running member of the pool that all runners on one database are. */
export interface SagaRunner {
  /** Instances being worked now. */
  readonly running: number;
  /** Looks for due instances now instead of at the next poll, after a start in this process for example. */
  poke(): void;
  /**
   * Takes no more instances from this moment and begins no more steps; lets the steps in progress end for `deadlineMs`
   * (default `drainMs`), then aborts them. Resolves a second after the deadline at the latest; what is not ended by then is found again when
   * its lease ends. Idempotent; never rejects. Closes neither store nor gateway.
   */
  close(deadlineMs?: number): Promise<void>;
}

/** How long aborted steps have to record what they came to. */
const LET_GO_MS = 1_000;
/** How many polls lie between two looks for instances nobody here can run. */
const POLLS_PER_LOOK = 30;

/**
 * Starts looking for due instances at once. Any number of runners share a database: each instance is with one of them at
 * a time, and comes to another when its runner dies. Throws `RangeError` naming a wrong figure, `ConfigurationError`
 * naming a wrong saga.
 */
export function startSagaRunner(options: SagaRunnerOptions): SagaRunner {
  const limits = resolveSagaRunnerLimits(options);
  const find = sagaRegistry(options.sagas);
  if (options.sagas.length === 0) throw new ConfigurationError('a saga runner needs at least one saga');
  const { store, gateway, calls, clock = systemClock, logger = silentLogger, random = Math.random } = options;
  const deps = { store, gateway, calls, ask: options.ask ?? askThrough(gateway), random, leaseMs: limits.leaseMs, logger };
  const known = options.sagas.map(({ name, version, fingerprint }) => ({ name, version, fingerprint }));
  const stop = new AbortController();
  const abort = new AbortController();
  const running = new Set<Promise<void>>();
  const told = new Set<string>();
  let wake = new AbortController();

  const run = async (claimed: ClaimedSaga): Promise<void> => {
    const saga = find(claimed)!;
    // Between two steps a closing runner lets go; within one it goes on until the deadline.
    await runSaga(saga, claimed, { ...deps, stopping: stop.signal }, abort.signal).catch((error: unknown) =>
      logger.error({ sagaId: claimed.id, saga: claimed.saga, error: describeError(error) }, 'saga left to its lease'),
    );
  };
  const lookForUnknown = async (): Promise<void> => {
    for (const unknown of await store.unknownDefinitions(known)) {
      const key = `${unknown.name} ${unknown.version} ${unknown.fingerprint}`;
      if (told.has(key)) continue;
      told.add(key);
      emitSagaEvent('unknown-definition', unknown);
      logger.warn(unknown, 'sagas wait for a definition that this runner does not have: they are left alone');
    }
  };
  const loop = async (): Promise<void> => {
    for (let polls = 0; !stop.signal.aborted; polls += 1) {
      const room = Math.min(limits.chunk, limits.concurrency - running.size);
      let taken = 0;
      try {
        if (polls % POLLS_PER_LOOK === 0) await lookForUnknown();
        const claimed = room > 0 ? await store.claim(known, room, limits.leaseMs) : [];
        taken = claimed.length;
        for (const instance of claimed) {
          const work = run(instance).finally(() => {
            running.delete(work);
            wake.abort();
          });
          running.add(work);
        }
      } catch (error) {
        logger.warn({ error: describeError(error) }, 'due sagas could not be taken; trying again');
      }
      if (taken > 0 && running.size < limits.concurrency) continue;
      await clock.sleep(limits.pollMs * (0.5 + random() / 2), AbortSignal.any([stop.signal, wake.signal])).catch(() => {});
      if (wake.signal.aborted) wake = new AbortController();
    }
  };

  const looping = loop();
  const drain = async (deadlineMs: number): Promise<void> => {
    stop.abort();
    const ended = looping.then(() => Promise.all(running)).then(() => {});
    await endsWithin(ended, deadlineMs, clock);
    abort.abort();
    await endsWithin(ended, LET_GO_MS, clock);
  };
  let closing: Promise<void> | undefined;
  return {
    get running() {
      return running.size;
    },
    poke: () => wake.abort(),
    close: (deadlineMs = limits.drainMs) => (closing ??= drain(deadlineMs)),
  };
}
