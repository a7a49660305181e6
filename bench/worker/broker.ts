import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { givenAddresses } from '../../src/cli/stack/given-stack.ts';
import { openStack } from '../../src/cli/stack/open-stack.ts';
import { type RocketmqAdmin, rocketmqAdmin } from '../../src/cli/stack/rocketmq-admin.ts';
import type { BenchOptions } from '../section.ts';

/** A broker with the settings shipped for production, or the one the environment names; `close` ends what was started. */
export async function openBroker({ say, signal }: BenchOptions): Promise<{
  readonly endpoints: string;
  readonly admin: RocketmqAdmin;
  readonly kind: string;
  close(): Promise<void>;
}> {
  const dataDir = mkdtempSync(join(tmpdir(), 'checkback-bench-'));
  const stack = await openStack({
    kind: 'auto',
    // oxlint-disable-next-line no-process-env -- a script's own door
    given: givenAddresses(process.env),
    cacheDir: resolve(import.meta.dirname, '../../.cache'),
    dataDir,
    profile: 'production',
    topics: [],
    groups: [],
    composeProject: `checkback-bench-${process.pid}`,
    onProgress: say,
    signal,
  });
  const close = async (): Promise<void> => {
    await stack.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  if (stack.namesrvAddress === undefined) {
    await close();
    throw new Error('this section creates a topic: set CHECKBACK_ROCKETMQ_NAMESRV for the given stack');
  }
  const admin = rocketmqAdmin({ namesrv: stack.namesrvAddress });
  return {
    endpoints: stack.endpoints,
    admin,
    kind: stack.kind,
    close: async () => {
      admin.close();
      await close();
    },
  };
}

export const uniqueName = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`;
