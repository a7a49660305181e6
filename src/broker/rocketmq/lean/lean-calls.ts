import { connect } from 'node:http2';
import { isIP } from 'node:net';
import type { Logger } from '../../../shared/logger.ts';
import { GrpcProtocolError, NotSentError } from './grpc-failure.ts';
import { GrpcSession } from './grpc-session.ts';
import { requestHeaders } from './request-headers.ts';

export interface LeanCallsOptions {
  readonly tls: boolean | { readonly ca: string };
  readonly timeoutMs: number;
  readonly logger: Logger;
  /** The official client's own headers of a request. */
  readonly metadata: () => Readonly<Record<string, string>>;
  /**
   * Where the official client's connection to this address really leads: a name may stand for several proxies, and only
   * the one that took a half can end it. `undefined`: not known yet.
   */
  readonly peer: (address: string) => string | undefined;
}

/** The proxy closes what is idle for two minutes; a firewall may forget it sooner, without a word. */
const IDLE_MS = 60_000;
/** HTTP/2 has 2³⁰ of them. */
const MAX_CALLS = 2 ** 29;
/** How long the official client stands in after a connection that could not be opened; doubled each time. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** One address, and what to make of it. */
interface Lane {
  session: GrpcSession | undefined;
  failures: number;
  /** `performance.now()` from when on it may be tried again. */
  notBefore: number;
}

/**
 * Unary calls over HTTP/2 sessions of our own, one an address, beside the channels of the official client. What cannot
 * be sent here is left to that client: this very call when it is certain that nothing left, and those after it.
 */
export class LeanCalls {
  readonly #options: LeanCallsOptions;
  readonly #lanes = new Map<string, Lane>();
  /** All whose connections exist, and what is resolved when they do not any more. */
  readonly #sessions = new Map<GrpcSession, PromiseWithResolvers<void>>();
  #isClosed = false;

  constructor(options: LeanCallsOptions) {
    this.#options = options;
  }

  /**
   * The message of the answer; `undefined` when no server has seen the call, which is then the official client's.
   * Rejects with `GrpcFailure`; nothing is sent twice.
   */
  async call(address: string, path: string, frame: Buffer): Promise<Buffer | undefined> {
    const lane = this.#lane(address);
    const session = (lane.session ??= this.#session(address, lane));
    if (session === undefined) return undefined;
    try {
      const message = await session.call(path, frame);
      lane.failures = 0;
      return message;
    } catch (error) {
      if (error instanceof NotSentError) return undefined;
      if (error instanceof GrpcProtocolError) this.distrust(address, error);
      throw error;
    }
  }

  /** What came from there is not what we know: the official client has this address from now on. */
  distrust(address: string, error: Error): void {
    const lane = this.#lane(address);
    if (lane.notBefore === Number.POSITIVE_INFINITY) return;
    lane.notBefore = Number.POSITIVE_INFINITY;
    this.#options.logger.warn(
      { address, error },
      'the proxy answers the lean path with what is no gRPC; the official client sends from now on, until the next start',
    );
    this.retire(address);
  }

  /** The next call to this address gets a new connection. Calls under way go on. */
  retire(address: string): void {
    this.#lanes.get(address)?.session?.retire();
  }

  /** Ends every call and connection; resolves when they are gone. What is asked of it afterwards is the official client's. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#lanes.clear();
    for (const session of this.#sessions.keys()) session.close();
    await Promise.all([...this.#sessions.values()].map(({ promise }) => promise));
  }

  #lane(address: string): Lane {
    let lane = this.#lanes.get(address);
    if (lane === undefined) {
      lane = { session: undefined, failures: 0, notBefore: 0 };
      this.#lanes.set(address, lane);
    }
    return lane;
  }

  #session(address: string, lane: Lane): GrpcSession | undefined {
    const peer = this.#options.peer(address);
    if (peer === undefined || this.#isClosed || performance.now() < lane.notBefore) return undefined;
    try {
      return this.#open(address, peer, lane);
    } catch (error) {
      // What Node refuses before it connects: a certificate that is none, an address that it does not understand.
      this.#refused(address, lane, error as Error);
      return undefined;
    }
  }

  #open(address: string, peer: string, lane: Lane): GrpcSession {
    const { tls, timeoutMs, metadata } = this.#options;
    const scheme = tls === false ? 'http' : 'https';
    const gone = Promise.withResolvers<void>();
    const session: GrpcSession = new GrpcSession({
      connect: () =>
        connect(`${scheme}://${peer}`, {
          ...tlsOptions(tls, address),
          settings: { enablePush: false },
          // The default refuses new streams when a few bodies of megabytes are under way.
          maxSessionMemory: Number.MAX_SAFE_INTEGER,
        }),
      headers: requestHeaders({ metadata, scheme, authority: address, timeoutMs }),
      timeoutMs,
      openTimeoutMs: timeoutMs / 2,
      idleMs: IDLE_MS,
      maxCalls: MAX_CALLS,
      onRetired: (refused) => {
        if (lane.session === session) lane.session = undefined;
        if (refused !== undefined) this.#refused(address, lane, refused);
      },
      onClosed: () => {
        this.#sessions.delete(session);
        gone.resolve();
      },
    });
    this.#sessions.set(session, gone);
    return session;
  }

  #refused(address: string, lane: Lane, error: Error): void {
    if (this.#isClosed) return;
    if (error instanceof GrpcProtocolError) return this.distrust(address, error);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** lane.failures);
    lane.failures += 1;
    lane.notBefore = performance.now() + pauseMs;
    const level = lane.failures === 1 ? 'warn' : 'debug';
    this.#options.logger[level]({ address, error, pauseMs }, 'no lean connection to the proxy; the official client sends meanwhile');
  }
}

/** The certificate names the host the user named, not the address it stands for. */
function tlsOptions(tls: boolean | { readonly ca: string }, address: string): { ca?: string; servername?: string } {
  if (tls === false) return {};
  const host = address.slice(0, address.lastIndexOf(':'));
  return { ...(tls === true ? {} : { ca: tls.ca }), ...(isIP(host) === 0 ? { servername: host } : {}) };
}
