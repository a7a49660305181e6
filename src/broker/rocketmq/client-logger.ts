import { format } from 'node:util';
import type { Logger } from '../../shared/logger.ts';
import type { ILogger } from './client-package.ts';

/**
 * The client logs printf style, breaks `rollback()` when `debug` is missing, and calls `close()` on the logger it was
 * given: so all four methods, and no `close`. Its "info" is one line per commit and per stream, which is our debug.
 */
export function clientLogger(logger: Logger): ILogger {
  const line = (args: unknown[]): string => format(...args.map((arg) => (arg instanceof Error ? arg.message : arg)));
  return {
    debug: () => {},
    info: (...args: unknown[]) => logger.debug({ component: 'rocketmq-client' }, line(args)),
    warn: (...args: unknown[]) => logger.warn({ component: 'rocketmq-client' }, line(args)),
    // Every failure also reaches us as a rejection and is logged there with its consequence.
    error: (...args: unknown[]) => logger.warn({ component: 'rocketmq-client' }, line(args)),
  };
}
