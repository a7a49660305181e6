import type { ClientDuplexStream } from '@grpc/grpc-js';
import { EventEmitter } from 'node:events';
import type { Logger } from '../../shared/logger.ts';
import { describeFailure } from './broker-failure.ts';
import type { service } from './client-package.ts';

export type TelemetryCall = ClientDuplexStream<service.TelemetryCommand, service.TelemetryCommand>;

export interface TelemetrySource {
  readonly address: string;
  readonly logger: Logger;
  /** Opens a real stream on the channel of the moment. Throws once closed. */
  open(): TelemetryCall;
  /** What a proxy must hear first on every stream: without it no check-back comes. */
  settings(): service.TelemetryCommand;
  /** Whether any topic is still routed to this address. */
  isRouted(): boolean;
}

/** Pause before a lost stream is opened again; half of it is chance, so that many producers do not return as one. */
const REOPEN_MS = 1_000;

/**
 * The stream the client's telemetry session holds. It never ends and never errors: the session would answer with a
 * reconnect timer that outlives `shutdown()`, whose new stream registers the dead client again, and with streams that
 * have no error listener, one failure of which ends the process. Instead the real stream is replaced underneath, with
 * the settings sent again, until `end()`. An address that left all routes is let go, which the session never does.
 */
export class LastingTelemetryStream extends EventEmitter {
  readonly #source: TelemetrySource;
  #call: TelemetryCall | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(source: TelemetrySource) {
    super();
    this.#source = source;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Sends a command; opens the stream if there is none. While it waits to be reopened the command is dropped: settings come first anyway. */
  write(command: service.TelemetryCommand): boolean {
    if (this.#isEnded || this.#timer !== undefined) return false;
    try {
      this.#call ??= this.#open();
      return this.#call.write(command);
    } catch (error) {
      this.#lost(this.#call, error);
      return false;
    }
  }

  /** Cuts the stream and opens it again at once, on the channel of the moment. */
  reopen(): void {
    if (this.#isEnded) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const old = this.#call;
    this.#call = undefined;
    old?.cancel();
    this.write(this.#source.settings());
  }

  /** Cuts the stream and opens it again after `ms`; until then the proxy puts no question to this client. */
  pause(ms: number): void {
    if (this.#isEnded) return;
    clearTimeout(this.#timer);
    const old = this.#call;
    this.#call = undefined;
    old?.cancel();
    this.#timer = setTimeout(() => this.reopen(), ms);
  }

  /** For good. Idempotent. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#call?.cancel();
    this.#call = undefined;
  }

  #open(): TelemetryCall {
    const call = this.#source.open();
    call.on('data', (command: service.TelemetryCommand) => {
      if (this.#call === call) this.#deliver(command);
    });
    // Never removed: a stream that fails after it was let go must find a listener too.
    call.on('error', (error) => this.#lost(call, error));
    call.on('end', () => this.#lost(call, new Error('the proxy ended it')));
    return call;
  }

  /** A command the client chokes on (settings with a retry policy it does not know) must not end the process. */
  #deliver(command: service.TelemetryCommand): void {
    try {
      this.emit('data', command);
    } catch (error) {
      this.#source.logger.warn({ address: this.#source.address, error }, 'telemetry command could not be handled');
    }
  }

  #lost(call: TelemetryCall | undefined, error: unknown): void {
    if (this.#isEnded || this.#call !== call) return;
    this.#call = undefined;
    const { address, logger } = this.#source;
    if (!this.#source.isRouted()) {
      logger.info({ address }, 'telemetry stream let go; no topic is routed there any more');
      return;
    }
    logger.warn({ address, reason: describeFailure(error) }, 'telemetry stream lost; opening it again');
    this.#timer = setTimeout(() => this.reopen(), REOPEN_MS / 2 + (Math.random() * REOPEN_MS) / 2);
  }
}
