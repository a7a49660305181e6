import { createPool } from 'mysql2/promise';
import { Pool, request } from 'undici';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../schema/engine.ts';
import { createGateway, type Gateway } from '../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../src/store/mysql-external-call-store.ts';
import { openOrm } from '../src/store/open-orm.ts';
import { startBank } from './gateway/bank.ts';
import { freshKey, headersFor, PAYMENT, payOrder } from './gateway/call.ts';
import { storeAudit, writeAudit } from './gateway/floor.ts';
import { runLoad } from './gateway/load.ts';
import { noStorage } from './gateway/no-storage.ts';
import { interleave, measured, ratios } from './measure.ts';
import type { BenchOptions, Section } from './section.ts';
import { openDatabase } from './stack.ts';

const CONCURRENCY = 64;
const DATABASE_CONNECTIONS = 20;

/** What a call through the gateway costs beside a bare one, without storage and with its evidence on a real database. */
export const benchGateway: Section = async (options) => {
  const { isQuick } = options;
  const repeats = isQuick ? 3 : 11;
  const roundMs = isQuick ? 300 : 2_000;
  const cleanUps: (() => Promise<unknown>)[] = [];
  try {
    const bank = await startBank();
    cleanUps.push(bank.close);
    const bare = bareCalls(bank.origin);
    cleanUps.push(bare.close);
    const unstored = createGateway({ origins: { bank: { url: bank.origin, maxConnections: CONCURRENCY } }, store: noStorage });
    cleanUps.push(() => unstored.close());
    const { audited, singly, grouped, server } = await openAudit(options, bank.origin, cleanUps);

    const cpu: Record<string, number[]> = {};
    const round = (name: string, call: () => Promise<void>) => async () => {
      const { perSecond, cpuMicrosPerCall } = await runLoad(call, CONCURRENCY, roundMs);
      (cpu[name] ??= []).push(cpuMicrosPerCall);
      return perSecond;
    };
    const calls = await interleave(
      {
        undici: round('undici', bare.call),
        gateway: round('gateway', () => pay(unstored)),
        gatewayAudited: round('gatewayAudited', () => pay(audited)),
        databaseSingly: round('databaseSingly', singly),
        databaseGrouped: round('databaseGrouped', grouped),
      },
      { repeats, warmUps: isQuick ? 1 : 2, signal: options.signal, onRound: options.say },
    );
    const gatewayVsUndici = ratios(calls['gateway']!, calls['undici']!);
    // What a call must write, each call's statements by themselves, as anyone would run them.
    const floor = calls['undici']!.map((rate, index) => Math.min(rate, calls['databaseSingly']![index]!));
    const gatewayAuditVsFloor = ratios(calls['gatewayAudited']!, floor);
    // The harder question: our own store, which groups its commits, with no call around it.
    const groupedFloor = calls['undici']!.map((rate, index) => Math.min(rate, calls['databaseGrouped']![index]!));
    return {
      headline: { gatewayVsUndici: gatewayVsUndici.median, gatewayAuditVsFloor: gatewayAuditVsFloor.median },
      conditions: {
        concurrency: CONCURRENCY,
        databaseConnections: DATABASE_CONNECTIONS,
        roundMs,
        database: server,
        bank: 'node:http, own process',
      },
      measured: {
        ...Object.fromEntries(Object.entries(calls).map(([name, figures]) => [name, measured('calls/s', figures)])),
        ...Object.fromEntries(Object.entries(cpu).map(([name, figures]) => [`${name}Cpu`, measured('µs/call', figures.slice(-repeats))])),
        gatewayVsUndici,
        gatewayAuditVsFloor,
        gatewayAuditVsGroupedFloor: ratios(calls['gatewayAudited']!, groupedFloor),
      },
    };
  } finally {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp();
  }
};

/** undici as its users use it: `request`, the body read as JSON, on as many connections as the gateway may open. */
function bareCalls(origin: string): { call(): Promise<void>; close(): Promise<void> } {
  const dispatcher = new Pool(origin, { connections: CONCURRENCY, pipelining: 1 });
  return {
    call: async () => {
      const { statusCode, body } = await request(`${origin}/payments`, {
        dispatcher,
        method: 'POST',
        headers: headersFor(freshKey()),
        body: JSON.stringify(PAYMENT),
      });
      const answer = (await body.json()) as { status: string };
      if (statusCode !== 201 || answer.status !== 'ACCEPTED') throw new Error(`the bank answered ${statusCode}`);
    },
    close: () => dispatcher.destroy(),
  };
}

async function openAudit(
  options: BenchOptions,
  origin: string,
  cleanUps: (() => Promise<unknown>)[],
): Promise<{ audited: Gateway; singly: () => Promise<void>; grouped: () => Promise<void>; server: string }> {
  const database = await openDatabase(options);
  cleanUps.push(database.close);
  const orm = await openOrm({
    url: database.url,
    entities: ENGINE_ENTITIES,
    migrations: ENGINE_MIGRATIONS,
    poolSize: DATABASE_CONNECTIONS,
  });
  cleanUps.push(() => orm.close(true));
  await orm.migrator.up();
  const store = mysqlExternalCallStore(orm);
  const audited = createGateway({ origins: { bank: { url: origin, maxConnections: CONCURRENCY } }, store });
  cleanUps.push(() => audited.close());
  const pool = createPool({ uri: database.url, connectionLimit: DATABASE_CONNECTIONS, timezone: 'Z' });
  cleanUps.push(() => pool.end());
  return { audited, singly: () => writeAudit(pool), grouped: () => storeAudit(store), server: database.server };
}

async function pay(gateway: Gateway): Promise<void> {
  const key = freshKey();
  const outcome = await gateway.call(payOrder, PAYMENT, { idempotencyKey: key, correlationId: key });
  if (outcome.status !== 'SUCCESS' || outcome.replayed || outcome.response.status !== 'ACCEPTED')
    throw new Error(`a call ended as ${outcome.status}`);
}
