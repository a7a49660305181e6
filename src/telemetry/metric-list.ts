/** One metric as it is exposed. */
export interface MetricDefinition {
  readonly kind: 'counter' | 'upDown' | 'histogram' | 'gauge';
  /** UCUM: `s`, or `{thing}` for counts. */
  readonly unit: string;
  /** Every one of them has few values: names of definitions, words of a fixed list. Never an id or a key. */
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram, in its unit. */
  readonly buckets?: readonly number[];
}

const WORK_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60];
const PHASE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
const LAG_SECONDS = [0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 3_600, 21_600];

const counter = <const Labels extends readonly string[]>(help: string, labels: Labels, unit = '{event}') =>
  ({ kind: 'counter', unit, labels, help }) as const;
const seconds = <const Labels extends readonly string[]>(help: string, labels: Labels, buckets = WORK_SECONDS) =>
  ({ kind: 'histogram', unit: 's', labels, help, buckets }) as const;
const gauge = <const Labels extends readonly string[]>(help: string, labels: Labels, unit: string) =>
  ({ kind: 'gauge', unit, labels, help }) as const;

/** Counted and timed as the engine of this process tells it. */
export const EVENT_METRICS = {
  'checkback.publish.duration.seconds': seconds(
    'publish() from its call to its answer; outcome is committed, rolled_back, in_doubt, not_kept or refused',
    ['topic', 'outcome'],
  ),
  'checkback.half_messages.sent': counter('Half messages the broker has stored', ['topic'], '{message}'),
  'checkback.transactions': counter(
    'Decided transactions; outcome is committed, rolled_back or in_doubt; reason of a rollback is threw, declined or refused',
    ['topic', 'outcome', 'reason'],
    '{transaction}',
  ),
  'checkback.ends': counter('COMMIT and ROLLBACK sent to the broker; result is handed_over or failed', ['topic', 'resolution', 'result']),
  'checkback.check_backs': counter(
    'Check-backs answered; round is 1, 2, 3-5, 6-10 or 11+',
    ['topic', 'resolution', 'round'],
    '{check_back}',
  ),
  'checkback.check_back.duration.seconds': seconds('Time to answer a check-back', ['topic']),
  'checkback.check_backs.budget_low': counter('Check-backs still UNKNOWN after so many rounds that the broker will soon park the message', [
    'topic',
  ]),
  'checkback.check_backs.foreign': counter("Check-backs about another service's message", ['topic']),
  'checkback.clock_offsets': counter("Half messages whose sender's clock differs from the broker's by more than 10 s", ['topic']),

  'checkback.outbox.messages': counter(
    'Messages of the strategies without half messages, by what came of sending them: sent, failed, held, parked',
    ['strategy', 'topic', 'result'],
    '{message}',
  ),
  'checkback.outbox.lost': counter('Messages of a segmented log that its disk has lost', [], '{message}'),
  'checkback.outbox.stopped': counter('Logs and captures that do nothing more until somebody has acted', ['strategy']),
  'checkback.capture.lag.seconds': {
    kind: 'gauge',
    unit: 's',
    labels: ['capture'],
    help: 'How long ago what was sent last was committed, by the database’s clock in whole seconds',
  },
  'checkback.outbox.leases_lost': counter(
    'Outbox messages claimed by another relay before this one wrote down what it did',
    [],
    '{message}',
  ),

  'checkback.deliveries': counter(
    'Settled deliveries; disposition is ack, retry, buried, deadLetter, handBack or unsettled',
    ['listener', 'topic', 'disposition'],
    '{delivery}',
  ),
  'checkback.deliveries.in_flight': {
    kind: 'upDown',
    unit: '{delivery}',
    labels: ['listener', 'topic'],
    help: 'Deliveries being worked now',
  },
  'checkback.delivery.duration.seconds': seconds('A delivery from its receiving to its settling', ['listener', 'topic']),
  'checkback.delivery.lag.seconds': seconds(
    'From the birth of a message to its first delivery, by the clocks of sender and worker',
    ['listener', 'topic'],
    LAG_SECONDS,
  ),
  'checkback.leases.lost': counter('Deliveries that may come to another worker while they are worked here', ['listener', 'topic']),
  'checkback.listener.paused': {
    kind: 'upDown',
    unit: '{listener}',
    labels: ['listener', 'topic'],
    help: '1 while a listener receives nothing because its institution is not to be called',
  },
  'checkback.dead_letters': counter(
    'Dead letters by what became of them: kept, replayed, discarded, resolved',
    ['topic', 'action'],
    '{message}',
  ),

  'checkback.call.attempts': counter(
    'Attempts at external calls by their outcome: SUCCESS, FAIL, UNKNOWN, PENDING; phase is where it failed',
    ['origin', 'call', 'outcome', 'error', 'phase'],
    '{attempt}',
  ),
  'checkback.call.attempt.duration.seconds': seconds('An attempt, from its committed request record to its recorded end', [
    'origin',
    'call',
  ]),
  'checkback.call.phase.duration.seconds': seconds(
    'Phases of an exchange: connect, write, headers, body',
    ['origin', 'call', 'phase'],
    PHASE_SECONDS,
  ),
  'checkback.call.throttled': counter('Calls our own limits had no room for; limit is concurrency or rate', ['origin', 'limit'], '{call}'),
  'checkback.call.retry_budget_exhausted': counter(
    'Attempts not made again because too much of the traffic is retries',
    ['origin'],
    '{attempt}',
  ),
  'checkback.circuit.changes': counter('Changes of circuits, by the state they came to: closed, open, half-open', ['origin', 'state']),

  'checkback.status_checks': counter(
    'Questions to institutions about calls of unknown outcome, by what was said: SUCCESS, FAIL, ABSENT, NONE',
    ['call', 'said'],
    '{question}',
  ),
  'checkback.status_checks.resolved': counter(
    'Unknown outcomes that became known; through is status-check, repeat, person or elsewhere',
    ['call', 'outcome', 'through'],
    '{call}',
  ),
  'checkback.status_checks.review': counter(
    'Unknown outcomes put before a person; reason is no-status-check, too-old or no-call',
    ['call', 'reason'],
    '{call}',
  ),

  'checkback.sagas': counter('Sagas by what happened: started, compensating, completed, compensated, parked', ['saga', 'event'], '{saga}'),
  'checkback.saga.step.duration.seconds': seconds('One attempt at a step, until it is recorded', ['saga', 'step', 'direction']),
} as const satisfies Record<`checkback.${string}`, MetricDefinition>;

/** States, read when somebody asks. */
export const STATE_METRICS = {
  'checkback.circuit.state': gauge('1 for the state an origin’s circuit is in, 0 for the others', ['origin', 'state'], '{circuit}'),
  'checkback.calls.open': gauge(
    'External calls without an end in the database: in_progress, waiting, abandoned, unknown',
    ['state'],
    '{call}',
  ),
  'checkback.calls.unknown': gauge('External calls of unknown outcome by age: under_5m, under_1h, under_1d, over_1d', ['age'], '{call}'),
  'checkback.status_checks.open': gauge('Status checks by state: due, retry, review', ['state'], '{call}'),
  'checkback.status_checks.overdue': gauge('Status checks more than a minute past their time', [], '{call}'),
  'checkback.dead_letters.open': gauge('Dead letters nobody has decided about: open, replaying', ['state'], '{message}'),
  'checkback.dead_letters.open_by_topic': gauge('Open dead letters of the topics this service listens to', ['topic'], '{message}'),
  'checkback.sagas.open': gauge('Sagas that have not ended: running, compensating, parked', ['state'], '{saga}'),
  'checkback.reconciliation.breaks': gauge('Open breaks of statements, by kind', ['kind'], '{break}'),
  'checkback.outbox.backlog': gauge('Messages in the outbox: waiting, parked', ['state'], '{message}'),
  'checkback.outbox.oldest.seconds': gauge('Age of the oldest message that waits in the outbox; 0 when none does', [], 's'),
  'checkback.consumer.lag': gauge(
    'Messages a group has not acknowledged; needs CHECKBACK_ROCKETMQ_NAMESRV',
    ['listener', 'topic'],
    '{message}',
  ),
  'checkback.state.readable': gauge(
    '1 when the states of a source were read within their time limit; they are NaN or absent while it is 0',
    ['source'],
    '1',
  ),
  'checkback.ready': gauge('1 when /readyz says so', [], '1'),
  'checkback.event_loop.delay.seconds': gauge('Longest delay of the event loop within the last 10 to 20 s', [], 's'),
} as const satisfies Record<`checkback.${string}`, MetricDefinition>;

export const METRICS = { ...EVENT_METRICS, ...STATE_METRICS } as const;

export type EventMetric = keyof typeof EVENT_METRICS;
export type StateMetric = keyof typeof STATE_METRICS;
/** The labels of a metric, all of them. */
export type LabelsOf<Name extends keyof typeof METRICS> = Readonly<Record<(typeof METRICS)[Name]['labels'][number], string>>;

/** The name a metric has for Prometheus. */
export const prometheusName = (name: keyof typeof METRICS): string =>
  name.replaceAll('.', '_') + (METRICS[name].kind === 'counter' ? '_total' : '');
