import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AlertOptions } from '../../src/alerts/alert-options.ts';
import type { Alert, AlertSink } from '../../src/alerts/alert.ts';
import { logAlertSink } from '../../src/alerts/log-alert-sink.ts';
import { type Alerts, startAlerts } from '../../src/alerts/start-alerts.ts';
import { type WebhookOptions, webhookAlertSink } from '../../src/alerts/webhook-alert-sink.ts';
import { emitDeadLetterEvent } from '../../src/dead-letter/diagnostics.ts';
import { emitGatewayEvent } from '../../src/gateway/gateway-events.ts';
import { emitSagaEvent } from '../../src/saga/saga-diagnostics.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { emitStatusCheckEvent } from '../../src/status-check/diagnostics.ts';
import { emitTransactionEvent } from '../../src/transaction/diagnostics.ts';
import { emitWorkerEvent } from '../../src/worker/diagnostics.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';

const CALL = { origin: 'bank', call: 'charge', idempotencyKey: 'k1', correlationId: 'c1' };
const TRANSACTION = { transactionId: 't1', correlationId: 'c1', listener: 'orders:placed', topic: 'orders' };
const DELIVERY = { listener: 'charge', topic: 'orders', group: 'payments', messageId: 'm1', correlationId: 'c1', deliveryAttempt: 16 };

let clock: ManualClock;
let told: Alert[];
let complaints: string[];
let running: Alerts[];
beforeEach(() => {
  clock = new ManualClock();
  [told, complaints, running] = [[], [], []];
});
afterEach(async () => {
  for (const alerts of running) await alerts.close();
});

const watch = (options: Partial<AlertOptions> = {}): Alerts => {
  const logger = { ...silentLogger, error: (_fields: object, text: string) => void complaints.push(text) };
  const alerts = startAlerts({ sinks: [async (alert) => void told.push(alert)], clock, logger, ...options });
  running.push(alerts);
  return alerts;
};
const openCircuit = (origin = 'bank', before: 'closed' | 'half-open' = 'closed'): void =>
  emitGatewayEvent('circuit-changed', () => ({ origin, state: 'open', before, sinceMs: 0, nextProbeInMs: 5_000, failures: 7 }));
const connectTimeout = (origin = 'bank'): void =>
  emitGatewayEvent('connect-timeout', () => ({ ...CALL, origin, attempt: 1, connectMs: 2_000 }));

describe('startAlerts', () => {
  it.each<[string, () => void, Partial<Alert>]>([
    ['an opened circuit', openCircuit, { kind: 'circuit-opened', severity: 'critical', subject: 'bank' }],
    [
      'a message that died',
      () => emitWorkerEvent('dead-lettered', () => ({ ...DELIVERY, reason: 'no more deliveries', error: new Error('secret') })),
      { kind: 'dead-letter', severity: 'warning' },
    ],
    [
      'a message the broker gave up on',
      () =>
        emitDeadLetterEvent('kept', {
          id: 7,
          topic: 'orders',
          group: 'payments',
          listener: undefined,
          messageId: 'm1',
          reason: 'BROKER_LIMIT',
          isNew: true,
        }),
      { kind: 'dead-letter', summary: expect.stringContaining('checkback dlq show 7') as string },
    ],
    [
      'a call that nobody knows the outcome of',
      () =>
        emitStatusCheckEvent('review', { ...CALL, listener: 'charge', callName: 'charge', reason: 'too-old', unknownForMs: 86_400_000 }),
      { kind: 'unknown-needs-review', severity: 'critical', subject: 'charge' },
    ],
    [
      'a check budget that runs out',
      () => emitTransactionEvent('check-budget-low', { ...TRANSACTION, resolution: 'UNKNOWN', round: 12, ageMs: 400_000 }),
      { kind: 'check-budget-low', severity: 'critical', subject: 'orders' },
    ],
    [
      'a transaction in doubt',
      () => emitTransactionEvent('in-doubt', { ...TRANSACTION, error: new Error('secret') }),
      { kind: 'transaction-in-doubt' },
    ],
    ['a second owner', () => emitTransactionEvent('foreign-owner', { ...TRANSACTION, owner: 'mail', round: 2 }), { kind: 'foreign-owner' }],
    ['a clock that is off', () => emitTransactionEvent('clock-offset', { topic: 'orders', offsetMs: -20_000 }), { kind: 'clock-offset' }],
    [
      'a saga that is parked',
      () =>
        emitSagaEvent('parked', {
          sagaId: 's1',
          saga: 'ship',
          version: 1,
          correlationId: 'c1',
          step: 'refund',
          direction: 'compensation',
          error: 'secret',
        }),
      { kind: 'saga-parked', severity: 'critical', subject: 'ship' },
    ],
  ])('tells of %s, without the text of any error', async (_what, happen, expected) => {
    watch();
    happen();
    await settled();
    expect(told).toEqual([expect.objectContaining({ ...expected, at: new Date(clock.now()), repeated: 0 })]);
    expect(JSON.stringify(told)).not.toContain('secret');
  });

  it('keeps to itself that a probe failed: the circuit has not opened anew', async () => {
    watch();
    openCircuit('bank', 'half-open');
    await settled();
    expect(told).toEqual([]);
  });

  it('tells of connect timeouts when there are many within the window, of each origin by itself', async () => {
    watch({ connectTimeouts: 3, windowMs: 10_000 });
    connectTimeout();
    connectTimeout();
    connectTimeout('post');
    await clock.advance(10_000);
    connectTimeout();
    connectTimeout();
    await settled();
    expect(told).toEqual([]);
    connectTimeout();
    await settled();
    expect(told).toEqual([expect.objectContaining({ kind: 'connect-timeouts', subject: 'bank' })]);
  });

  it('tells one kind and subject once in a while, and how many it left out', async () => {
    watch({ repeatAfterMs: 1_000 });
    for (let count = 0; count < 5; count += 1) openCircuit();
    openCircuit('post');
    await settled();
    expect(told.map(({ subject }) => subject)).toEqual(['bank', 'post']);
    await clock.advance(1_000);
    openCircuit();
    await settled();
    expect(told[2]).toMatchObject({ subject: 'bank', repeated: 4 });
  });

  it('lets a sink that fails or hangs hold up no other, and says what was lost', async () => {
    const hanging: AlertSink = (_alert, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const failing: AlertSink = () => Promise.reject(new Error('no route'));
    const alerts = watch({ sinks: [hanging, failing, async (alert) => void told.push(alert)], maxQueued: 2, repeatAfterMs: 1 });
    for (const origin of ['a', 'b', 'c', 'd']) {
      openCircuit(origin);
      await settled();
    }
    expect(told).toHaveLength(4);
    expect(complaints.filter((text) => text === 'alert could not be told')).toHaveLength(4);
    expect(complaints).toContain('alert dropped: its sink does not keep up');
    await alerts.close(1);
    expect(complaints).toContain('alerts dropped: the process closes');
  });

  it('hears nothing any more once closed', async () => {
    const alerts = watch();
    await alerts.close();
    await alerts.close();
    openCircuit();
    await settled();
    expect(told).toEqual([]);
  });

  it.each([
    ['connectTimeouts', 0],
    ['windowMs', -1],
    ['repeatAfterMs', 1.5],
    ['maxQueued', Number.NaN],
  ])('refuses %s of %s', (name, value) => {
    expect(() => startAlerts({ sinks: [], [name]: value })).toThrow(
      new RangeError(`alerts: ${name} must be a whole number of at least 1, got ${value}`),
    );
  });
});

describe('logAlertSink', () => {
  it('writes critical ones as errors and others as warnings', async () => {
    const lines: [string, object][] = [];
    const note = (level: string) => (fields: object) => void lines.push([level, fields]);
    watch({ sinks: [logAlertSink({ ...silentLogger, warn: note('warn'), error: note('error') })] });
    openCircuit();
    emitTransactionEvent('clock-offset', { topic: 'orders', offsetMs: 20_000 });
    await settled();
    expect(lines).toEqual([
      ['error', { alert: 'circuit-opened', subject: 'bank', repeated: 0, origin: 'bank', failures: 7 }],
      ['warn', { alert: 'clock-offset', subject: 'orders', repeated: 0, topic: 'orders', offsetMs: 20_000 }],
    ]);
  });
});

describe('webhookAlertSink', () => {
  const ALERT: Alert = {
    kind: 'circuit-opened',
    severity: 'critical',
    subject: 'bank',
    summary: 'down',
    details: {},
    at: new Date(0),
    repeated: 2,
  };
  let received: { headers: IncomingMessage['headers']; body: unknown }[];
  let answer: (response: ServerResponse) => void;
  let url: string;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
      answer(response);
    });
  });
  beforeEach(async () => {
    received = [];
    answer = (response) => response.end();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const immediately = { now: () => 0, sleep: async () => {} };
  const post = (options: Partial<WebhookOptions> = {}, signal = new AbortController().signal): Promise<void> =>
    webhookAlertSink({ url, clock: immediately, ...options })(ALERT, signal);

  it('posts the alert as JSON, with the headers it was given', async () => {
    await post({ headers: { authorization: 'Bearer x' } });
    expect(received).toEqual([
      {
        headers: expect.objectContaining({ authorization: 'Bearer x', 'content-type': 'application/json' }),
        body: { ...ALERT, at: '1970-01-01T00:00:00.000Z' },
      },
    ]);
  });

  it('posts what `body` makes of it', async () => {
    await post({ body: ({ summary }) => ({ text: summary }) });
    expect(received[0]!.body).toEqual({ text: 'down' });
  });

  it('tries again what was not taken, and gives up after its attempts', async () => {
    answer = (response) => response.writeHead(received.length < 3 ? 500 : 204).end();
    await post();
    expect(received).toHaveLength(3);
    answer = (response) => response.writeHead(500).end();
    await expect(post({ maxAttempts: 2 })).rejects.toThrow(/answered 500/);
    expect(received).toHaveLength(5);
  });

  it('does not follow a redirect', async () => {
    answer = (response) => response.writeHead(307, { location: '/elsewhere' }).end();
    await expect(post({ maxAttempts: 1 })).rejects.toThrow(/fetch failed/);
    expect(received).toHaveLength(1);
  });

  it('gives up one attempt when it takes too long, and all of them when the process closes', async () => {
    answer = () => {};
    await expect(post({ timeoutMs: 300, maxAttempts: 2 })).rejects.toThrow(/timeout/);
    expect(received).toHaveLength(2);
    const closing = new AbortController();
    const posting = post({}, closing.signal);
    closing.abort(new Error('closing'));
    await expect(posting).rejects.toThrow(/closing/);
  });

  it.each(['ftp://example.org', 'http://example.org/hook', 'https://user:pw@example.org', 'nonsense'])('refuses %s', (bad) => {
    expect(() => webhookAlertSink({ url: bad })).toThrow(/webhook: url/);
  });
});
