import { type Client, internals } from './client-internals.ts';

/**
 * The client refreshes its routes one after the other and stops at the first that fails: one deleted topic, and the
 * others keep their addresses of today for ever. Here each is asked for by itself; the first failure is still reported.
 */
export function refreshEachRouteAlone(client: Client): void {
  const inner = internals(client);
  const refresh = inner.updateRoutes.bind(client);
  const refreshOne = (topic: string): Promise<void> => {
    // Read at the call and not later; the settings keep the full set, which is the very same object.
    const all = inner.topics;
    inner.topics = new Set([topic]);
    try {
      return refresh();
    } finally {
      inner.topics = all;
    }
  };
  inner.updateRoutes = async () => {
    const results = await Promise.allSettled([...inner.topics].map(refreshOne));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
}
