import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  AuditUnavailableError,
  CallInFlightError,
  CallRejectedError,
  CircuitOpenError,
  ConfigurationError,
  ConnectError,
  ReadTimeoutError,
} from '../../src/errors.ts';
import { eventsOf, harness, MINUTE } from './support/checker-harness.ts';

const SUCCESS = { status: 'SUCCESS', response: { paymentId: 'p-1' } } as const;
const FAIL = { status: 'FAIL', response: { reason: 'insufficient funds' } } as const;
const ABSENT = { status: 'ABSENT' } as const;

describe('StatusChecker', () => {
  let told: { [Name in 'asked' | 'resolved' | 'review' | 'repeated' | 'unknown-listener']: ReturnType<typeof eventsOf<Name>> };
  beforeEach(() => {
    told = {
      asked: eventsOf('asked'),
      resolved: eventsOf('resolved'),
      review: eventsOf('review'),
      repeated: eventsOf('repeated'),
      'unknown-listener': eventsOf('unknown-listener'),
    };
  });
  afterEach(() => Object.values(told).forEach(({ stop }) => stop()));

  /** One call of unknown outcome, and a checker. */
  const unknown = async (statusCheck: Parameters<ReturnType<typeof harness>['listener']>[0] = {}) => {
    const h = harness();
    const row = h.row('o-1');
    const listener = h.listener(statusCheck);
    await h.keep('o-1', listener);
    return { ...h, row, checker: h.start({ listeners: [listener] }), keptAt: h.clock.now() };
  };

  it('asks when the record is due and not before, and applies the success once', async () => {
    const { checker, clock, gateway, onFail, onSuccess, row, store } = await unknown();
    gateway.answers = [SUCCESS];
    await clock.advance(5 * MINUTE - 1);
    expect(gateway.questions).toEqual([]);
    await clock.advance(MINUTE);
    expect(gateway.questions).toMatchObject([{ key: 'o-1#1', input: { input: { orderId: 'o-1' }, idempotencyKey: 'o-1' } }]);
    expect(row.status).toBe('SUCCESS');
    expect(store.only()).toMatchObject({ state: 'DONE', lastMove: { outcome: 'SUCCESS' } });
    expect(onSuccess).toHaveBeenCalledExactlyOnceWith(undefined, {
      message: expect.objectContaining({ payload: { orderId: 'o-1' }, correlationId: 'c-o-1', messageId: 'm-o-1' }),
      response: SUCCESS.response,
    });
    expect(told.asked.events).toMatchObject([{ said: 'SUCCESS', idempotencyKey: 'o-1' }]);
    expect(told.resolved.events).toMatchObject([{ outcome: 'SUCCESS', through: 'status-check' }]);
    await clock.advance(24 * 60 * MINUTE);
    expect(gateway.questions).toHaveLength(1);
    expect(onFail).not.toHaveBeenCalled();
    await checker.close();
  });

  it('compensates when the institution says that it was refused', async () => {
    const { checker, clock, gateway, onFail, onSuccess, row } = await unknown();
    gateway.answers = [FAIL];
    await clock.advance(6 * MINUTE);
    expect(row.status).toBe('FAIL');
    expect(onFail).toHaveBeenCalledExactlyOnceWith(
      undefined,
      expect.objectContaining({ error: expect.any(CallRejectedError), response: FAIL.response }),
    );
    expect(onSuccess).not.toHaveBeenCalled();
    await checker.close();
  });

  it("compensates an order that never arrived when whenAbsent is 'fail'", async () => {
    const { checker, clock, gateway, onFail, row } = await unknown({ statusCheck: { whenAbsent: 'fail' } });
    gateway.answers = [ABSENT];
    await clock.advance(6 * MINUTE);
    expect(row.status).toBe('FAIL');
    expect(gateway.repeats).toEqual([]);
    expect(onFail).toHaveBeenCalledOnce();
    await checker.close();
  });

  it('sends an order that never arrived again under the same key, at once', async () => {
    const { checker, clock, gateway, onSuccess, row, store } = await unknown();
    gateway.answers = [ABSENT];
    await clock.advance(6 * MINUTE);
    expect(gateway.repeats.map(({ key }) => key)).toEqual(['o-1']);
    expect(row.status).toBe('SUCCESS');
    expect(store.only().state).toBe('DONE');
    expect(onSuccess).toHaveBeenCalledExactlyOnceWith(undefined, expect.objectContaining({ response: { paymentId: 'again' } }));
    expect(told.resolved.events).toMatchObject([{ through: 'repeat' }]);
    await checker.close();
  });

  it('goes on sending an order again that is not taken, without asking', async () => {
    const { checker, clock, gateway, row, store } = await unknown();
    gateway.answers = [ABSENT];
    gateway.outcome = { status: 'PENDING', error: new ConnectError('refused'), retryAfterMs: undefined, attempt: 2 };
    await clock.advance(6 * MINUTE);
    expect(row.status).toBe('PENDING');
    expect(store.only()).toMatchObject({ state: 'RETRY', errorCode: 'CB_CONNECT' });
    gateway.outcome = { status: 'SUCCESS', response: {}, httpStatus: 201, replayed: false };
    await clock.advance(60 * MINUTE);
    expect(gateway.questions).toHaveLength(1);
    expect(gateway.repeats).toHaveLength(2);
    expect(row.status).toBe('SUCCESS');
    await checker.close();
  });

  it('asks again when the outcome of the repeated request is unknown too, its age going on', async () => {
    const { checker, clock, gateway, keptAt, row, store } = await unknown();
    gateway.answers = [ABSENT, SUCCESS];
    gateway.outcome = { status: 'UNKNOWN', error: new ReadTimeoutError('silence'), replayed: false };
    await clock.advance(6 * MINUTE);
    expect(store.only()).toMatchObject({ state: 'DUE', unknownSince: keptAt });
    expect(row.status).toBe('UNKNOWN');
    await clock.advance(60 * MINUTE);
    expect(gateway.questions.map(({ key }) => key)).toEqual(['o-1#1', 'o-1#2']);
    expect(row.status).toBe('SUCCESS');
    await checker.close();
  });

  it('asks again and again, backing off, until the maximum age; then a person', async () => {
    const { checker, clock, gateway, keptAt, lines, row, store } = await unknown({
      statusCheck: { afterMs: 5 * MINUTE, maxDelayMs: 60 * MINUTE, maxAgeMs: 6 * 60 * MINUTE },
    });
    gateway.answers = [new ReadTimeoutError('silence')];
    await clock.advance(48 * 60 * MINUTE);
    const minutes = gateway.questions.map(({ at }) => Math.floor((at - keptAt) / MINUTE));
    // 5, then three quarters of 10, 20, 40, 60, 60, …, and once at the maximum age.
    expect(minutes).toEqual([5, 12, 27, 57, 102, 147, 192, 237, 282, 327, 360]);
    expect(store.only()).toMatchObject({ state: 'REVIEW', checks: 11, errorCode: 'CB_READ_TIMEOUT' });
    expect(row.status).toBe('UNKNOWN');
    expect(told.review.events).toMatchObject([{ reason: 'too-old', idempotencyKey: 'o-1' }]);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    await checker.close();
  });

  it('leaves an order UNKNOWN before a person that could not be sent again in time', async () => {
    const { checker, clock, gateway, row, store } = await unknown();
    gateway.answers = [ABSENT];
    gateway.outcome = { status: 'PENDING', error: new ConnectError('refused'), retryAfterMs: undefined, attempt: 2 };
    await clock.advance(48 * 60 * MINUTE);
    expect(store.only().state).toBe('REVIEW');
    expect(row.status).toBe('UNKNOWN');
    await checker.close();
  });

  it('puts nothing before a person while somebody else is sending the request', async () => {
    const { checker, clock, gateway, row, store } = await unknown();
    row.status = 'PENDING';
    gateway.outcome = { status: 'PENDING', error: new ConnectError('refused'), retryAfterMs: undefined, attempt: 2 };
    await clock.advance(23 * 60 * MINUTE);
    gateway.outcome = { status: 'PENDING', error: new CallInFlightError('busy'), retryAfterMs: 1_000, attempt: 2 };
    await clock.advance(4 * 60 * MINUTE);
    expect(store.only()).toMatchObject({ state: 'RETRY', errorCode: 'CB_CALL_IN_FLIGHT' });
    await checker.close();
  });

  it.each([
    ['a circuit that is open', new CircuitOpenError('open', { retryAfterMs: 90_000 })],
    ['an audit that is down', { thrown: new AuditUnavailableError('down') }],
  ])('does not count %s as a check', async (_, answer) => {
    const { checker, clock, gateway, store } = await unknown();
    gateway.answers = [answer, answer, answer, SUCCESS];
    await clock.advance(5 * MINUTE + 30_000);
    expect(store.only()).toMatchObject({ state: 'DUE', checks: 0 });
    expect(told.asked.events).toEqual([]);
    await clock.advance(10 * MINUTE);
    expect(store.only().state).toBe('DONE');
    expect(told.asked.events).toHaveLength(1);
    await checker.close();
  });

  it.each([
    ['SUCCESS', 'SUCCESS'],
    ['FAIL', 'FAIL'],
  ] as const)('has nothing to do for a call that somebody else made %s', async (_, status) => {
    const { checker, clock, gateway, onFail, onSuccess, row, store } = await unknown();
    row.status = status;
    await clock.advance(6 * MINUTE);
    expect(store.only()).toMatchObject({ state: 'DONE', lastMove: { outcome: status } });
    expect(gateway.questions).toEqual([]);
    expect(onSuccess).not.toHaveBeenCalled();
    expect(onFail).not.toHaveBeenCalled();
    expect(told.resolved.events).toMatchObject([{ outcome: status, through: 'elsewhere' }]);
    await checker.close();
  });

  it('applies nothing when somebody else is first while the institution is being asked', async () => {
    const { checker, clock, gateway, onSuccess, row, store } = await unknown();
    gateway.answers = [SUCCESS];
    gateway.gate = async () => void (row.status = 'FAIL');
    await clock.advance(6 * MINUTE);
    expect(onSuccess).not.toHaveBeenCalled();
    expect(row.status).toBe('FAIL');
    expect(store.only()).toMatchObject({ state: 'DONE', lastMove: { outcome: 'FAIL' } });
    await checker.close();
  });

  it('names the transaction that an end is to be applied in, asking and sending again', async () => {
    const h = harness();
    h.row('o-1');
    const listener = h.listener();
    await h.keep('o-1', listener);
    const given = async (): Promise<void> => {};
    const inTransaction = vi.fn(() => given);
    const resolveUnknown = vi.spyOn(h.calls, 'resolveUnknown');
    h.gateway.answers = [ABSENT, FAIL];
    h.gateway.outcome = { status: 'UNKNOWN', error: new ReadTimeoutError('silence'), replayed: false };
    const checker = h.start({ listeners: [listener], worker: { ...h.worker, inTransaction } });
    await h.clock.advance(60 * MINUTE);
    const end = { status: 'FAIL', response: undefined, httpStatus: 422, replayed: false, error: new CallRejectedError('no') } as const;
    expect(h.gateway.repeats[0]!.options.inTransaction!(end)).toBe(given);
    expect(resolveUnknown.mock.calls.map(([, , to, options]) => [to, (options as { inTransaction?: unknown }).inTransaction])).toEqual([
      ['PENDING', undefined],
      ['FAIL', given],
    ]);
    expect(inTransaction).toHaveBeenCalledWith(
      listener,
      expect.objectContaining({ payload: { orderId: 'o-1' } }),
      expect.objectContaining({ status: 'FAIL', response: FAIL.response }),
    );
    await checker.close();
  });

  it('applies nothing when somebody else is first while the request is sent again', async () => {
    const { checker, clock, gateway, onSuccess, row, store } = await unknown();
    gateway.answers = [ABSENT];
    gateway.beforeRepeat = () => void (row.status = 'SUCCESS');
    await clock.advance(6 * MINUTE);
    expect(gateway.repeats).toHaveLength(1);
    expect(onSuccess).not.toHaveBeenCalled();
    expect(store.only()).toMatchObject({ state: 'DONE', lastMove: { outcome: 'SUCCESS' } });
    expect(told.resolved.events).toMatchObject([{ through: 'elsewhere' }]);
    await checker.close();
  });

  it('changes nothing when onSuccess throws, and asks again later', async () => {
    const { checker, clock, gateway, onSuccess, row, store } = await unknown();
    gateway.answers = [SUCCESS];
    onSuccess.mockRejectedValueOnce(new TypeError('bug'));
    await clock.advance(6 * MINUTE);
    expect(row.status).toBe('UNKNOWN');
    expect(store.only()).toMatchObject({ state: 'DUE', errorCode: 'TypeError' });
    await clock.advance(60 * MINUTE);
    expect(row.status).toBe('SUCCESS');
    expect(onSuccess).toHaveBeenCalledTimes(2);
    await checker.close();
  });

  it('leaves a message it cannot understand any more to its age', async () => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'no' }] }) } } as const;
    const { checker, clock, gateway, store } = await unknown({ payload: schema as never });
    await clock.advance(6 * MINUTE);
    expect(store.only()).toMatchObject({ state: 'DUE', errorCode: 'CB_INVALID_MESSAGE' });
    await clock.advance(48 * 60 * MINUTE);
    expect(store.only().state).toBe('REVIEW');
    expect(gateway.questions).toEqual([]);
    await checker.close();
  });

  it('leaves records of listeners that are not here to others, and says so when they do not take them', async () => {
    const { clock, gateway, keep, listener, row, start, store } = harness();
    row('o-1');
    await keep('o-1');
    const checker = start({ listeners: [listener({ name: 'another' })] });
    await clock.advance(6 * MINUTE);
    expect(told['unknown-listener'].events).toEqual([]);
    await clock.advance(3 * MINUTE);
    expect(store.only()).toMatchObject({ state: 'DUE', claims: 0, fence: undefined });
    expect(told['unknown-listener'].events[0]).toEqual({ listener: 'charge-payment', callName: 'charge', count: 1 });
    await checker.close();
    const other = start();
    gateway.answers = [SUCCESS];
    await clock.advance(MINUTE);
    expect(store.only().state).toBe('DONE');
    await other.close();
  });

  it('puts a record before a person whose call has lost its status check', async () => {
    const { clock, keep, listener, row, start, store } = harness();
    row('o-1');
    await keep('o-1');
    const { statusCheck: _, ...bare } = listener().call;
    const checker = start({ listeners: [listener({ call: bare })] });
    await clock.advance(6 * MINUTE);
    expect(store.only().state).toBe('REVIEW');
    await checker.close();
  });

  it('closes records before a person that somebody else has settled', async () => {
    const { clock, keep, listener, row, start, store } = harness();
    const { statusCheck: _, ...bare } = listener().call;
    const settled = row('o-1');
    await keep('o-1', listener({ call: bare }));
    const checker = start();
    await clock.advance(MINUTE);
    expect(store.only().state).toBe('REVIEW');
    settled.status = 'SUCCESS';
    await clock.advance(MINUTE);
    expect(store.only().state).toBe('DONE');
    await checker.close();
  });

  describe('with timers', () => {
    const timed = async () => {
      const h = harness();
      h.row('o-1');
      await h.keep('o-1');
      h.gateway.answers = [SUCCESS];
      return { ...h, sendTimer: () => h.timers.send(h.sent[0]!.message.body) };
    };

    it('asks when the timer fires, before the next sweep', async () => {
      const { clock, gateway, sendTimer, start, store, timers } = await timed();
      const checker = start({ timers, sweepMs: 86_400_000 });
      await clock.advance(5 * MINUTE);
      expect(gateway.questions).toEqual([]);
      sendTimer();
      await clock.advance(0);
      expect(store.only().state).toBe('DONE');
      expect(timers.acked).toEqual(['m1']);
      await checker.close();
    });

    it('asks once for a timer that is delivered a hundred times', async () => {
      const { clock, gateway, onSuccess, sendTimer, start, timers } = await timed();
      const checkers = [start({ timers }), start({ timers })];
      await clock.advance(5 * MINUTE);
      for (let nth = 0; nth < 100; nth += 1) sendTimer();
      await clock.advance(MINUTE);
      expect(gateway.questions).toHaveLength(1);
      expect(onSuccess).toHaveBeenCalledOnce();
      expect(timers.backlog).toBe(0);
      await Promise.all(checkers.map((checker) => checker.close()));
    });

    it('acknowledges what is no timer, and one that is far too early', async () => {
      const { clock, gateway, sendTimer, start, timers } = await timed();
      const checker = start({ timers });
      timers.send(new TextEncoder().encode('{'));
      sendTimer();
      await clock.advance(1_000);
      expect(timers.backlog).toBe(0);
      expect(gateway.questions).toEqual([]);
      await checker.close();
    });

    it('goes on by sweeps while the broker is down', async () => {
      const { clock, start, store, timers } = await timed();
      timers.fail.receive = new Error('broker is down');
      const checker = start({ timers });
      await clock.advance(6 * MINUTE);
      expect(store.only().state).toBe('DONE');
      await checker.close();
      expect(clock.timers).toBe(0);
    });
  });

  it('survives a database that is down', async () => {
    const { checker, clock, gateway, lines, store } = await unknown();
    gateway.answers = [SUCCESS];
    store.fault = new Error('database is down');
    await clock.advance(10 * MINUTE);
    expect(lines.some(({ level }) => level === 'warn')).toBe(true);
    store.fault = undefined;
    await clock.advance(MINUTE);
    expect(store.only().state).toBe('DONE');
    await checker.close();
  });

  it('asks again when its answer could not be written down', async () => {
    const { checker, clock, gateway, store } = await unknown();
    gateway.gate = async () => void (store.fault = new Error('database is down'));
    await clock.advance(5 * MINUTE + 30_000);
    expect(gateway.questions).toHaveLength(1);
    gateway.gate = async () => {};
    gateway.answers = [SUCCESS];
    store.fault = undefined;
    await clock.advance(4 * MINUTE);
    expect(gateway.questions.map(({ key }) => key)).toEqual(['o-1#1', 'o-1#2']);
    expect(store.only().state).toBe('DONE');
    await checker.close();
  });

  it('works no more at once than it has places for, and everything in the end', async () => {
    const { clock, gateway, keep, row, start, store } = harness();
    for (let nth = 0; nth < 50; nth += 1) {
      row(`o-${nth}`);
      await keep(`o-${nth}`);
    }
    let running = 0;
    let most = 0;
    gateway.answers = [SUCCESS];
    gateway.gate = async () => {
      most = Math.max(most, (running += 1));
      await clock.sleep(100);
      running -= 1;
    };
    const checker = start({ concurrency: 3 });
    await clock.advance(10 * MINUTE);
    expect(most).toBe(3);
    expect([...store.records.values()].every(({ state, claims }) => state === 'DONE' && claims === 1)).toBe(true);
    await checker.close();
  });

  describe('closing', () => {
    it('lets a question that is under way finish', async () => {
      const { checker, clock, gateway, store } = await unknown();
      gateway.answers = [SUCCESS];
      gateway.gate = () => clock.sleep(10_000);
      await clock.advance(5 * MINUTE + 30_000);
      const closing = checker.close(30_000);
      await clock.advance(10_000);
      await closing;
      expect(store.only().state).toBe('DONE');
      expect(clock.timers).toBe(0);
    });

    it('aborts one that takes too long, and releases its record uncounted', async () => {
      const { checker, clock, gateway, store } = await unknown();
      gateway.gate = (signal) => new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error)));
      await clock.advance(5 * MINUTE + 30_000);
      const closing = checker.close(1_000);
      await clock.advance(1_000);
      await closing;
      expect(store.only()).toMatchObject({ state: 'DUE', checks: 0, fence: undefined });
      expect(clock.timers).toBe(0);
    });

    it('ends although a question hangs, and twice is once', async () => {
      const { checker, clock, gateway } = await unknown();
      gateway.gate = () => new Promise(() => {});
      await clock.advance(5 * MINUTE + 30_000);
      const closing = checker.close(1_000);
      expect(checker.close()).toBe(closing);
      await clock.advance(2_000);
      await closing;
      expect(clock.timers).toBe(0);
    });

    it('starts nothing any more', async () => {
      const { checker, clock, gateway } = await unknown();
      await checker.close();
      await clock.advance(60 * MINUTE);
      expect(gateway.questions).toEqual([]);
      expect(clock.timers).toBe(0);
    });
  });

  it.each([
    [{ sweepMs: 0 }, 'sweepMs'],
    [{ concurrency: 0 }, 'concurrency'],
    [{ leaseMs: 1.5 }, 'leaseMs'],
    [{ drainMs: -1 }, 'drainMs'],
  ])('refuses %o', (options, name) => {
    expect(() => harness().start(options)).toThrow(new RegExp(`^${name} must be a whole number`));
  });

  it('refuses two listeners of one name', () => {
    const { listener, start } = harness();
    expect(() => start({ listeners: [listener(), listener()] })).toThrow(ConfigurationError);
  });
});
