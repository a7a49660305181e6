import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import type { ExternalCallStore } from './external-call-store.ts';
import type { OriginOptions } from './origin.ts';
import type { OriginLimits } from './origin-limits.ts';

/** How patient a gateway is with its database and with other callers. */
export interface GatewayLimits {
  /** How long a second caller of a key waits for the first one's outcome before it is told PENDING; 0 waits not at all. Default 2,000. */
  readonly waitInFlightMs: number;
  /** How long one transaction of the store may take; opening an attempt fails closed then. Default 5,000. */
  readonly storeTimeoutMs: number;
  /** How long closing an attempt is tried before its outcome is left to the lease. Also how long a lease outlasts `totalMs`. Default 30,000. */
  readonly closeTimeoutMs: number;
}

export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = Object.freeze({
  waitInFlightMs: 2_000,
  storeTimeoutMs: 5_000,
  closeTimeoutMs: 30_000,
});

/** Limits given here hold for every origin that says nothing of its own. */
export interface GatewayOptions extends Partial<GatewayLimits>, OriginLimits {
  /** Institutions by the name definitions use; a URL, or what there is to say about one. */
  readonly origins: Readonly<Record<string, string | (OriginOptions & OriginLimits)>>;
  readonly store: ExternalCallStore;
  /** Default: says nothing. Is given names, ids, statuses and codes, never a value of a request or an answer. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export function resolveGatewayLimits(options: Partial<GatewayLimits>): GatewayLimits {
  const limits = {
    waitInFlightMs: options.waitInFlightMs ?? DEFAULT_GATEWAY_LIMITS.waitInFlightMs,
    storeTimeoutMs: options.storeTimeoutMs ?? DEFAULT_GATEWAY_LIMITS.storeTimeoutMs,
    closeTimeoutMs: options.closeTimeoutMs ?? DEFAULT_GATEWAY_LIMITS.closeTimeoutMs,
  };
  for (const [name, value] of Object.entries(limits)) {
    const least = name === 'waitInFlightMs' ? 0 : 1;
    if (!Number.isInteger(value) || value < least || value > 2 ** 31 - 1)
      throw new RangeError(`${name} must be a whole number from ${least} to 2147483647, got ${value}`);
  }
  return Object.freeze(limits);
}
