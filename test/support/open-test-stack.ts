import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { givenAddresses } from '../../src/cli/stack/given-stack.ts';
import { temporaryDataDir } from '../cli/stack/temporary-data-dir.ts';
import { dockerImages, startChosenStack } from './choose-stack.ts';

/** Where the tests' stack is; plain data, because it crosses into other processes. */
export type ProvidedStack = {
  readonly kind: 'given' | 'docker' | 'native';
  readonly endpoints: string;
  readonly mysqlUrl: string;
  /** Missing when a given stack names none: topics cannot be created then. */
  readonly namesrvAddress?: string | undefined;
};

/** A stack that somebody else has started for several runs, as JSON. */
export const SHARED_STACK = 'CHECKBACK_TEST_STACK';

/** The stack of a run: the one it shares with others, or one of its own, which `close` ends. */
export async function openTestStack(): Promise<{ provided: ProvidedStack; close(): Promise<void> }> {
  const shared = process.env[SHARED_STACK];
  if (shared !== undefined) return { provided: JSON.parse(shared) as ProvidedStack, close: async () => {} };
  const { dataDir, remove, keep } = temporaryDataDir('checkback-stack-');
  const cancel = new AbortController();
  const onSignal = (): void => cancel.abort(new Error('the test run was interrupted'));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const startedAt = performance.now();
  try {
    const options = {
      kind: 'auto' as const,
      given: givenAddresses(process.env),
      images: dockerImages(process.env),
      composeProject: `checkback-test-${process.pid}`,
      cacheDir: resolve(import.meta.dirname, '../../.cache'),
      dataDir,
      profile: 'test' as const,
      topics: [],
      groups: [],
      signal: cancel.signal,
      onProgress: (line: string) => console.log(`[stack ${((performance.now() - startedAt) / 1000).toFixed(1)} s] ${line}`),
      onUnexpectedExit: (reason: string) => console.error(`[stack] ${reason}; its logs are in ${dataDir}/log until the run ends`),
    };
    const stack = await startChosenStack(options, process.env);
    const { kind, endpoints, mysqlUrl, namesrvAddress } = stack;
    return {
      provided: { kind, endpoints, mysqlUrl, namesrvAddress },
      close: async () => {
        await stack.close();
        remove();
      },
    };
  } catch (error) {
    // In Docker nothing is written here; the error carries the containers' last lines.
    if (existsSync(join(dataDir, 'log'))) {
      keep();
      console.error(`[stack] its logs are kept in ${dataDir}/log`);
    } else {
      remove();
    }
    throw error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
