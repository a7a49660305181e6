import { messageOf } from '../../shared/error-message.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { StackError } from './stack-error.ts';

/** How long, how often, and until whom to wait. */
export type WaitOptions = {
  /** What is waited for, as it reads after "waited for". */
  readonly what: string;
  readonly timeoutMs: number;
  /** Pause between two tries. Default 100. */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Calls `attempt` until it resolves, and gives what it resolved to. A rejection is "not yet"; the last one becomes the
 * cause of the `StackError` raised when `timeoutMs` is over. Aborting rejects with the signal's reason.
 */
export async function waitUntil<T>(attempt: (signal: AbortSignal | undefined) => Promise<T>, options: WaitOptions): Promise<T> {
  const { what, timeoutMs, intervalMs = 100, signal } = options;
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await attempt(signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (performance.now() + intervalMs > endsAt) {
        throw new StackError(`waited ${timeoutMs} ms for ${what}; the last answer was: ${messageOf(cause)}`, { cause });
      }
    }
    // The abort reason is rethrown above: a cancelled sleep is not worth an error of its own.
    await sleep(intervalMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}
