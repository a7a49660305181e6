import { rename } from 'node:fs/promises';
import { DEFAULT_RETRY_MAX_TIMES, requireRetryMaxTimes, type ResolvedEmbeddedBrokerOptions } from './broker-options.ts';
import { DeliveryRecord } from './delivery-record.ts';
import type { FaultSwitches } from './fault-switches.ts';
import { FileJournal, readJournal } from './file-journal.ts';
import type { Journal } from './journal-record.ts';
import { MessageBroker } from './message-broker.ts';
import { recover, snapshot } from './recovery.ts';
import { Timetable } from './timetable.ts';
import type { BrokerContext } from './wire/broker-call.ts';
import { ClientSessions } from './wire/client-sessions.ts';
import { GrpcFront } from './wire/grpc-front.ts';

/** The broker, its journal and its socket, through crashes and recoveries. */
export class RunningBroker {
  readonly sessions: ClientSessions;
  /** Over crashes too: a test counts what consumers were given. */
  readonly #deliveries = new DeliveryRecord();
  readonly #options: ResolvedEmbeddedBrokerOptions;
  readonly #faults: FaultSwitches;
  #broker!: MessageBroker;
  #timetable!: Timetable;
  #journal: FileJournal | undefined;
  #front: GrpcFront | undefined;
  #port: number;

  private constructor(options: ResolvedEmbeddedBrokerOptions, faults: FaultSwitches) {
    this.#options = options;
    this.#faults = faults;
    this.#port = options.port;
    this.sessions = new ClientSessions(options.seed);
  }

  static async start(options: ResolvedEmbeddedBrokerOptions, faults: FaultSwitches): Promise<RunningBroker> {
    const running = new RunningBroker(options, faults);
    try {
      await running.#load();
      for (const [name, type] of Object.entries(options.topics)) running.#broker.createTopic(name, type);
      for (const [name, { retryMaxTimes, fifo = false }] of Object.entries(options.groups))
        running.#broker.createGroup({ name, retryMaxTimes: requireRetryMaxTimes(name, retryMaxTimes), isFifo: fifo });
      await running.#journal?.flushed();
      await running.#open();
    } catch (error) {
      await running.close();
      throw error;
    }
    return running;
  }

  get broker(): MessageBroker {
    return this.#broker;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#front?.connections ?? 0;
  }

  async crash(): Promise<void> {
    const front = this.#front;
    if (front === undefined) return;
    this.#front = undefined;
    // First the journal: an answer that is under way must not come to be true afterwards.
    const abandoned = this.#journal?.abandon();
    this.#timetable.close();
    this.sessions.forgetAll();
    this.#broker.polls.endAll();
    await front.close();
    await abandoned;
  }

  async recover(): Promise<void> {
    if (this.#front !== undefined) return;
    const survivor = this.#broker;
    await this.#load(this.#options.file === undefined ? survivor : undefined);
    await this.#open();
  }

  async close(): Promise<void> {
    const front = this.#front;
    this.#front = undefined;
    this.#broker?.polls.endAll();
    this.#timetable?.close();
    this.sessions.forgetAll();
    await front?.close();
    await this.#journal?.close();
  }

  /** A broker with what the file says, or what another one would have left in a file. */
  async #load(survivor?: MessageBroker): Promise<void> {
    const { file, clock } = this.#options;
    this.#timetable = new Timetable(clock);
    // Recovering must not write what it reads.
    const switchable = new SwitchableJournal();
    this.#broker = new MessageBroker({
      settings: this.#options.settings,
      timetable: this.#timetable,
      journal: switchable,
      faults: this.#faults,
      deliveries: this.#deliveries,
      ask: (half) => this.sessions.ask(half),
    });
    const { records, tornBytes } =
      file === undefined ? { records: survivor === undefined ? [] : [...snapshot(survivor)], tornBytes: 0 } : await readJournal(file);
    recover(this.#broker, records);
    if (file === undefined) return;
    if (tornBytes > 0) await rename(file, `${file}.torn`);
    this.#journal = await FileJournal.begin(file, () => snapshot(this.#broker));
    switchable.to = this.#journal;
  }

  async #open(): Promise<void> {
    const { host, settings, clock, autoCreate } = this.#options;
    const context: BrokerContext = {
      broker: this.#broker,
      sessions: this.sessions,
      settings,
      faults: this.#faults,
      clock,
      brokerName: 'embedded',
      autoCreateTopics: autoCreate ? 'MIXED' : undefined,
      autoCreateGroups: autoCreate ? { retryMaxTimes: DEFAULT_RETRY_MAX_TIMES } : undefined,
      address: () => ({ host, port: this.#port }),
      flushed: () => this.#journal?.flushed() ?? Promise.resolve(),
    };
    const front = new GrpcFront(context);
    this.#port = await front.listen(host, this.#port);
    this.#front = front;
    this.#broker.transactions.start();
    void this.#timetable.run();
  }
}

class SwitchableJournal implements Journal {
  to: Journal | undefined;

  append(...[record]: Parameters<Journal['append']>): void {
    this.to?.append(record);
  }

  flushed(): Promise<void> {
    return this.to?.flushed() ?? Promise.resolve();
  }
}
