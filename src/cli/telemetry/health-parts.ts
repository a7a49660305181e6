import { connect } from 'node:net';
import { codeOf } from './code-of.ts';
import type { Orm } from '../compose.ts';
import type { EventLoopWatch } from './event-loop-watch.ts';
import type { HealthPart } from './health.ts';
import type { ReceiveWatch } from './receive-watch.ts';

/** A delay this long takes a worker out of those that are given work. */
export const READY_DELAY_MS = 1_000;
/** A delay this long is a process that is stuck again and again. */
export const LIVE_DELAY_MS = 10_000;
const CONNECT_LIMIT_MS = 1_000;

/** Whether the process takes part in its own event loop. */
export const eventLoopPart = (watch: EventLoopWatch, limitMs: number): HealthPart => ({
  name: 'eventLoop',
  complaint: () => {
    const delayMs = Math.round(watch.maxDelayMs());
    return delayMs < limitMs ? undefined : `the event loop was ${delayMs} ms late within the last 20 s, the limit is ${limitMs} ms`;
  },
});

/** Whether the database answers a question on a connection of the worker's own pool. */
export const databasePart = (orm: Orm): HealthPart => ({
  name: 'database',
  complaint: () =>
    orm.em
      .getConnection('write')
      .execute('select 1')
      .then(
        () => undefined,
        // Its message may name the user and the host.
        (error: unknown) => `it does not answer (${codeOf(error)})`,
      ),
});

/** Whether the broker's proxy takes connections, and answered the last question of every consumer. */
export const brokerPart = (endpoints: string, receiving: ReceiveWatch | undefined): HealthPart => ({
  name: 'broker',
  complaint: async () => receiving?.complaint() ?? (await connectComplaint(endpoints)),
});

function connectComplaint(endpoints: string): Promise<string | undefined> {
  const [host = '', port = ''] = endpoints.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: CONNECT_LIMIT_MS });
    const end = (reason: string | undefined): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end(`no connection within ${CONNECT_LIMIT_MS} ms`));
    socket.once('error', (error) => end(`no connection (${codeOf(error)})`));
  });
}
