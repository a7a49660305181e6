import { StepRejectedError } from '../../../src/errors.ts';
import { type ExternalCallDefinition, defineExternalCall } from '../../../src/gateway/external-call.ts';
import { type AnySaga, defineSaga } from '../../../src/saga/define-saga.ts';
import type { World, Process } from './saga-world.ts';

export const MAX_ATTEMPTS = 3;
export const STATUS_CHECK = {
  path: () => '/status',
  interpret: () => undefined,
  afterMs: 300_000,
  maxDelayMs: 600_000,
  maxAgeMs: 3_600_000,
};

export const aCall = (name: string, more: Partial<ExternalCallDefinition<string, string>> = {}) =>
  defineExternalCall<string, string>({ name, origin: 'bank', method: 'POST', path: '/payments', statusCheck: STATUS_CHECK, ...more });

const calls = { charge: aCall('charge'), refund: aCall('refund'), ship: aCall('ship'), unship: aCall('unship'), notify: aCall('notify') };

/** A local step between calls; the last step has no compensation, as a notification has none. */
export function booking(process: () => Process, world?: World): AnySaga {
  const retry = { maxAttempts: MAX_ATTEMPTS, baseMs: 100, maxMs: 1_000 };
  const local =
    (key: string) =>
    async (em: never, { sagaId }: { sagaId: string }) => {
      if (world?.fates(`${sagaId}:${key}`, 1) === 'FAIL') throw new StepRejectedError('no stock');
      process().effect(em, `${sagaId}:${key}`);
    };
  return defineSaga<{ readonly seats: number }>({ name: 'booking' })
    .step({
      name: 'charge',
      action: { call: calls.charge, input: () => '' },
      compensation: { call: calls.refund, input: () => '' },
      retry,
    })
    .step({ name: 'reserve', action: local('reserve') as never, compensation: local('reserve:compensation') as never, retry })
    .step({
      name: 'ship',
      action: { call: calls.ship, input: () => '' },
      compensation: { call: calls.unship, input: () => '' },
      retry,
    })
    .step({ name: 'notify', action: { call: calls.notify, input: () => '' }, retry }) as AnySaga;
}
