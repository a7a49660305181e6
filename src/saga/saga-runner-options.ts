import { ConfigurationError } from '../errors.ts';
import type { ExternalCallStore } from '../gateway/external-call-store.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';
import type { AskInstitution } from './ask-institution.ts';
import type { AnySaga } from './define-saga.ts';
import type { SagaStore } from './saga-store.ts';

/** The figures of a runner; each has a default. */
export interface SagaRunnerLimits {
  /** Instances worked at once. Default 8. */
  readonly concurrency: number;
  /** Instances taken in one go at most. Default 8. */
  readonly chunk: number;
  /** How often due instances are looked for when there were none; half of it is jitter. Default 1 s. */
  readonly pollMs: number;
  /** How long an instance stays ours without a word; a call's own time comes on top. Default 30 s. */
  readonly leaseMs: number;
  /** What `close()` gives running steps when it is not told. Default 30 s. */
  readonly drainMs: number;
}

export const DEFAULT_SAGA_RUNNER_LIMITS: SagaRunnerLimits = Object.freeze({
  concurrency: 8,
  chunk: 8,
  pollMs: 1_000,
  leaseMs: 30_000,
  drainMs: 30_000,
});

/** What a runner is made of. Store and gateway stay the caller's: `close()` does not close them. */
export interface SagaRunnerOptions extends Partial<SagaRunnerLimits> {
  /** Several versions of one saga may run side by side. */
  readonly sagas: readonly AnySaga[];
  readonly store: SagaStore;
  readonly gateway: Gateway;
  /** The gateway's own: what the institution answers to a status check is written there. */
  readonly calls: ExternalCallStore;
  /** Default: through the gateway, by the call's status check. */
  readonly ask?: AskInstitution;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** For the pauses of looking for work alone; leases and due times are the store's. Default: the system's. */
  readonly clock?: Clock;
  /** Gives a number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

const MAX = 2 ** 31 - 1;
const RANGES: Ranges<SagaRunnerLimits> = {
  concurrency: [1, MAX],
  chunk: [1, MAX],
  pollMs: [1, MAX],
  leaseMs: [1, MAX],
  drainMs: [0, MAX],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveSagaRunnerLimits = (options: Partial<SagaRunnerLimits>): SagaRunnerLimits =>
  resolveWholeNumbers(options, DEFAULT_SAGA_RUNNER_LIMITS, RANGES);

/** Sagas by what an instance says of its own. Throws `ConfigurationError` when one has no steps or two cannot be told apart. */
export function sagaRegistry(
  sagas: readonly AnySaga[],
): (of: { saga: string; version: number; fingerprint: string }) => AnySaga | undefined {
  const byName = new Map<string, AnySaga>();
  for (const saga of sagas) {
    const key = `${saga.name} ${saga.version}`;
    if (saga.steps.length === 0) throw new ConfigurationError(`saga "${saga.name}" has no steps`);
    if (byName.has(key)) throw new ConfigurationError(`saga "${saga.name}" is given twice in version ${saga.version}`);
    byName.set(key, saga);
  }
  return ({ saga, version, fingerprint }) => {
    const found = byName.get(`${saga} ${version}`);
    return found?.fingerprint === fingerprint ? found : undefined;
  };
}
