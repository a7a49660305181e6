import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { givenAddresses } from '../../src/cli/stack/given-stack.ts';
import { temporaryDataDir } from '../cli/stack/temporary-data-dir.ts';
import { dockerImages, startChosenStack } from './choose-stack.ts';

/** Where the tests' stack is; plain data, because it crosses into the workers. */
export type ProvidedStack = {
  readonly kind: 'given' | 'docker' | 'native';
  readonly endpoints: string;
  readonly mysqlUrl: string;
  /** Missing when a given stack names none: topics cannot be created then. */
  readonly namesrvAddress?: string | undefined;
};

declare module 'vitest' {
  interface ProvidedContext {
    stack: ProvidedStack;
  }
}

type Shared = { users: number; readonly opened: Promise<{ provided: ProvidedStack; close(): Promise<void> }> };

/** This module is loaded once per vitest project; the stack is one per run. */
const KEY = Symbol.for('checkback.test.stack');
const shelf = globalThis as { [KEY]?: Shared };

/**
 * Gives both projects of a run the same stack: named by the environment, or else in Docker through testcontainers, or else
 * native; `CHECKBACK_STACK=docker` or `native` insists on one. Ended when the last project is done; when vitest itself is
 * killed, its lifeline ends the servers (see src/cli/stack/lifeline.ts).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (shelf[KEY] ??= { users: 0, opened: open() });
  shared.users += 1;
  const teardown = async (): Promise<void> => {
    shared.users -= 1;
    if (shared.users > 0) return;
    // The next run in watch mode starts its own.
    delete shelf[KEY];
    await shared.opened.then((stack) => stack.close());
  };
  try {
    project.provide('stack', (await shared.opened).provided);
  } catch (error) {
    shared.users -= 1;
    delete shelf[KEY];
    throw error;
  }
  return teardown;
}

async function open(): Promise<{ provided: ProvidedStack; close(): Promise<void> }> {
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
