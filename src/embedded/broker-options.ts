import { type Clock, systemClock } from '../shared/clock.ts';
import { type EmbeddedBrokerSettings, resolveEmbeddedBrokerSettings } from './broker-settings.ts';
import { type EmbeddedTopicType, EMBEDDED_TOPIC_TYPES } from './stored-message.ts';

/** Limits of a consumer group. */
export interface EmbeddedGroupOptions {
  /** A message is delivered this many times more than once, then it is a dead letter. Default 16. */
  readonly retryMaxTimes?: number;
  /** Messages of one message group are delivered one after the other. Default false. */
  readonly fifo?: boolean;
}

export interface EmbeddedBrokerOptions {
  /** Where it listens. Default 127.0.0.1: nobody else can reach it. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** What moves check-backs, delays, invisible durations and long polls. Default: the machine's. */
  readonly clock?: Clock;
  /** Makes choices repeatable, the first producer to be asked among them. Default 1. */
  readonly seed?: number;
  /** Topics to begin with, and the one kind of message each takes. */
  readonly topics?: Readonly<Record<string, EmbeddedTopicType>>;
  /** Consumer groups to begin with. */
  readonly groups?: Readonly<Record<string, EmbeddedGroupOptions>>;
  /**
   * Makes topics that take everything, and groups, on their first use. Default false, as on a broker that is set up with
   * care: a misspelt name is an error a test is there to find.
   */
  readonly autoCreate?: boolean;
  /** Journal that survives the process. It is made when missing, and belongs to one broker at a time. Default: nothing is written. */
  readonly file?: string;
  readonly settings?: Partial<EmbeddedBrokerSettings>;
}

export interface ResolvedEmbeddedBrokerOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly seed: number;
  readonly topics: Readonly<Record<string, EmbeddedTopicType>>;
  readonly groups: Readonly<Record<string, EmbeddedGroupOptions>>;
  readonly autoCreate: boolean;
  readonly file: string | undefined;
  readonly settings: EmbeddedBrokerSettings;
}

export const DEFAULT_EMBEDDED_BROKER_OPTIONS = { host: '127.0.0.1', port: 0, seed: 1, autoCreate: false } as const;
export const DEFAULT_RETRY_MAX_TIMES = 16;

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export function resolveEmbeddedBrokerOptions(options: EmbeddedBrokerOptions = {}): ResolvedEmbeddedBrokerOptions {
  const resolved = {
    ...DEFAULT_EMBEDDED_BROKER_OPTIONS,
    clock: systemClock,
    topics: {},
    groups: {},
    file: undefined,
    ...options,
    settings: resolveEmbeddedBrokerSettings(options.settings),
  };
  if (!Number.isInteger(resolved.port) || resolved.port < 0 || resolved.port > 65_535)
    throw new RangeError(`embedded broker: port must be 0 to 65535, got ${resolved.port}`);
  if (!Number.isSafeInteger(resolved.seed)) throw new RangeError(`embedded broker: seed must be a whole number, got ${resolved.seed}`);
  for (const [name, type] of Object.entries(resolved.topics)) requireTopicType(name, type);
  for (const [name, { retryMaxTimes }] of Object.entries(resolved.groups)) requireRetryMaxTimes(name, retryMaxTimes);
  return Object.freeze(resolved);
}

export function requireTopicType(name: string, type: EmbeddedTopicType): void {
  if (!EMBEDDED_TOPIC_TYPES.includes(type))
    throw new RangeError(`embedded broker: topic "${name}" must take one of ${EMBEDDED_TOPIC_TYPES.join(', ')}, got ${type as string}`);
}

export function requireRetryMaxTimes(group: string, retryMaxTimes: number | undefined): number {
  const times = retryMaxTimes ?? DEFAULT_RETRY_MAX_TIMES;
  if (!Number.isSafeInteger(times) || times < 0)
    throw new RangeError(`embedded broker: retryMaxTimes of group "${group}" must be a whole number of at least 0, got ${times}`);
  return times;
}
