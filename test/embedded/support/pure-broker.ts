import { resolveEmbeddedBrokerSettings, type EmbeddedBrokerSettings } from '../../../src/embedded/broker-settings.ts';
import { DeliveryRecord } from '../../../src/embedded/delivery-record.ts';
import { FaultSwitches } from '../../../src/embedded/fault-switches.ts';
import type { Half } from '../../../src/embedded/half-messages.ts';
import type { Journal, JournalRecord } from '../../../src/embedded/journal-record.ts';
import { ManualClock } from '../../../src/embedded/manual-clock.ts';
import { MessageBroker } from '../../../src/embedded/message-broker.ts';
import { tagFilter } from '../../../src/embedded/message-filter.ts';
import { Timetable } from '../../../src/embedded/timetable.ts';

/** The broker without its wire, on a clock turned by hand. */
export function pureBroker(
  options: {
    settings?: Partial<EmbeddedBrokerSettings>;
    ask?: (half: Half) => boolean;
    start?: number;
    clock?: ManualClock;
    keepsRecords?: boolean;
  } = {},
) {
  const clock = options.clock ?? new ManualClock({ start: options.start ?? 1_000_000_000_000, settle: () => new Promise(setImmediate) });
  const timetable = new Timetable(clock);
  const records: JournalRecord[] = [];
  const journal: Journal = {
    append: (record) => void (options.keepsRecords !== false && records.push(structuredClone(record))),
    flushed: () => Promise.resolve(),
  };
  const faults = new FaultSwitches();
  const broker = new MessageBroker({
    settings: resolveEmbeddedBrokerSettings(options.settings),
    timetable,
    journal,
    faults,
    deliveries: new DeliveryRecord(),
    ask: options.ask ?? (() => false),
  });
  const everything = tagFilter('*');
  broker.transactions.start();
  void timetable.run();
  return {
    broker,
    clock,
    timetable,
    records,
    faults,
    receive: (topic: string, group: string, max = 32, invisibleMs = 10_000) =>
      broker.subscription(topic, group).receive({ filter: everything, max, invisibleMs }).deliveries,
    close: () => timetable.close(),
  };
}
