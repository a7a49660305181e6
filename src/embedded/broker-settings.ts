/** Behaviour of the broker, by default that of a RocketMQ 5.4.0 nobody has configured. Milliseconds. */
export interface EmbeddedBrokerSettings {
  /** Age at which an unanswered half message is asked about for the first time. Default 6,000. */
  readonly transactionTimeOutMs: number;
  /** Pause between two rounds of check-backs. Default 30,000. */
  readonly transactionCheckIntervalMs: number;
  /** Rounds until a half message is parked, counted with nobody online too. Default 15. */
  readonly transactionCheckMax: number;
  /** How long the proxy remembers a half for its END. Default 30,000. */
  readonly transactionDataExpireMs: number;
  /** How long finished transactions are collected before they are recorded. Default 3,000. */
  readonly opBatchIntervalMs: number;
  /** Age at which messages are let go and halves parked. Default 72 hours. */
  readonly reservedMs: number;
  /** Shortest and longest invisible duration of a receive. Default 10,000 and 12 hours. */
  readonly minInvisibleMs: number;
  readonly maxInvisibleMs: number;
  /** Invisible duration for push consumers, renewed as long as they are online. Default 60,000. */
  readonly pushInvisibleMs: number;
  /** Bounds of a long poll. Default 5,000 and 20,000. */
  readonly minLongPollMs: number;
  readonly maxLongPollMs: number;
  /** Default 24 hours. */
  readonly maxDelayMs: number;
  /** Default 4 MiB. */
  readonly maxBodyBytes: number;
  /** Default 16 KiB, and 128 of them. */
  readonly maxPropertiesBytes: number;
  readonly maxProperties: number;
  /** Acknowledged messages of each topic that are kept for groups that start to read later. Default 1,000. */
  readonly retainedMessages: number;
  /** Connections beyond this number are closed at once. Default 500. */
  readonly maxConnections: number;
}

const HOUR_MS = 3_600_000;

export const DEFAULT_EMBEDDED_BROKER_SETTINGS: EmbeddedBrokerSettings = {
  transactionTimeOutMs: 6_000,
  transactionCheckIntervalMs: 30_000,
  transactionCheckMax: 15,
  transactionDataExpireMs: 30_000,
  opBatchIntervalMs: 3_000,
  reservedMs: 72 * HOUR_MS,
  minInvisibleMs: 10_000,
  maxInvisibleMs: 12 * HOUR_MS,
  pushInvisibleMs: 60_000,
  minLongPollMs: 5_000,
  maxLongPollMs: 20_000,
  maxDelayMs: 24 * HOUR_MS,
  maxBodyBytes: 4 * 1_024 * 1_024,
  maxPropertiesBytes: 16 * 1_024,
  maxProperties: 128,
  retainedMessages: 1_000,
  maxConnections: 500,
};

const MAY_BE_ZERO = new Set<string>(['opBatchIntervalMs', 'minLongPollMs', 'minInvisibleMs', 'retainedMessages']);

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the setting and its value. */
export function resolveEmbeddedBrokerSettings(settings: Partial<EmbeddedBrokerSettings> = {}): EmbeddedBrokerSettings {
  for (const [name, value] of Object.entries(settings)) {
    if (!(name in DEFAULT_EMBEDDED_BROKER_SETTINGS)) throw new RangeError(`embedded broker: unknown setting "${name}"`);
    const least = MAY_BE_ZERO.has(name) ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least)
      throw new RangeError(`embedded broker: ${name} must be a whole number of at least ${least}, got ${String(value)}`);
  }
  const resolved = { ...DEFAULT_EMBEDDED_BROKER_SETTINGS, ...settings };
  if (resolved.maxLongPollMs < resolved.minLongPollMs)
    throw new RangeError(
      `embedded broker: maxLongPollMs must be at least minLongPollMs (${resolved.minLongPollMs}), got ${resolved.maxLongPollMs}`,
    );
  if (resolved.maxInvisibleMs < resolved.minInvisibleMs)
    throw new RangeError(
      `embedded broker: maxInvisibleMs must be at least minInvisibleMs (${resolved.minInvisibleMs}), got ${resolved.maxInvisibleMs}`,
    );
  return Object.freeze(resolved);
}
