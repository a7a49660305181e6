import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Starts the bank in its own process. */
export async function startBank(): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const child = fork(new URL('./bank.child.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  const port = await Promise.race([
    once(child, 'message').then(([said]) => Number(said)),
    exited.then(([code]) => Promise.reject(new Error(`the bank ended with ${String(code)} before it listened`))),
  ]);
  return {
    origin: `http://127.0.0.1:${port}`,
    close: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
