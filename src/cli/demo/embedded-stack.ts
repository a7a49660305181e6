import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedBroker } from '../../embedded/embedded-broker.ts';

/** A broker and a database for a demo, and how to end them. */
export interface EmbeddedStack {
  readonly endpoints: string;
  readonly databaseUrl: string;
  /** Where the broker's journal and the database's file are. */
  readonly folder: string;
  /** Removes the folder too, unless it is to be kept. Idempotent. */
  close(options?: { readonly keepFiles?: boolean }): Promise<void>;
}

/**
 * The embedded broker, in this process and on the loopback only, with its journal and a SQLite file in a fresh folder
 * under `parent`. It asks back after a second instead of half a minute; nothing else about the protocol differs.
 */
export async function startEmbeddedStack(parent: string): Promise<EmbeddedStack> {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'demo-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const broker = await EmbeddedBroker.start({
      file: join(folder, 'broker.journal'),
      topics: { orders: 'TRANSACTION', 'status-checks': 'DELAY' },
      groups: {
        'payment-workers': { retryMaxTimes: 1_000 },
        'payment-workers-dlq-drain': { retryMaxTimes: 1_000 },
        'checkback-status-checks': { retryMaxTimes: 1_000 },
      },
      settings: {
        transactionTimeOutMs: 1_000,
        transactionCheckIntervalMs: 1_000,
        opBatchIntervalMs: 100,
        minInvisibleMs: 1_000,
        minLongPollMs: 1_000,
      },
    });
    return {
      endpoints: broker.endpoints,
      databaseUrl: `sqlite://${join(folder, 'checkback.db')}`,
      folder,
      close: async ({ keepFiles = false } = {}) => {
        await broker.close();
        if (!keepFiles) remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
