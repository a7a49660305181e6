import { status } from '@grpc/grpc-js';

/** Heartbeats in a row that may time out before a connection counts as dead. One alone is a pause of the broker. */
const MISSED_HEARTBEATS = 2;

/**
 * Notices a connection that was cut without a word (a firewall, a frozen host): nothing fails on it, everything times
 * out, and TCP gives up after a quarter of an hour. Every answer, a refusal too, proves it alive.
 */
export class HeartbeatWatch {
  readonly #missed = new Map<string, number>();

  answered(address: string): void {
    this.#missed.delete(address);
  }

  /** True when the connection to this address is to be given up. A failure other than a timeout is gRPC's to repair. */
  heartbeatFailed(address: string, error: unknown): boolean {
    if ((error as { code?: unknown }).code !== status.DEADLINE_EXCEEDED) return false;
    const missed = (this.#missed.get(address) ?? 0) + 1;
    if (missed < MISSED_HEARTBEATS) {
      this.#missed.set(address, missed);
      return false;
    }
    this.#missed.delete(address);
    return true;
  }
}
