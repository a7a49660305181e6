import { describe, expect, it } from 'vitest';
import { composeCarrier } from '../../src/cli/compose-carrier.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { sqliteHome } from '../store/sqlite-home.ts';

const endpoints = '127.0.0.1:1';

describe('The strategy of a configuration', () => {
  it('is a broker by default, and an outbox when it says so; neither is asked for anything', async () => {
    const home = await sqliteHome();
    const kinds: unknown[] = [];
    for (const config of [
      {},
      { strategy: 'halfMessage' as const },
      { strategy: 'pollingOutbox' as const },
      { strategy: 'pollingOutbox' as const, outbox: { relay: false } },
    ]) {
      const carrier = composeCarrier({ owner: 'shop', ...config, endpoints }, home.orm, silentLogger);
      kinds.push(Object.keys(carrier.part));
      await carrier.close(1_000);
    }
    expect(kinds).toEqual([['broker'], ['broker'], ['outbox'], ['outbox']]);
    await home.close();
  });

  it('refuses one nobody knows', () => {
    expect(() => composeCarrier({ owner: 'shop', strategy: 'guess' as never, endpoints }, {} as never, silentLogger)).toThrow(
      ConfigurationError,
    );
  });
});
