import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Half } from '../half-messages.ts';
import { asked } from '../transactions.ts';
import { ReconnectEndpointsCommand, RecoverOrphanedTransactionCommand, type service, TelemetryCommand } from './grpc-package.ts';
import { outgoingMessage } from './outgoing-message.ts';

export type TelemetryStream = ServerDuplexStream<service.TelemetryCommand, service.TelemetryCommand>;

/** A client as it introduced itself. Online as long as its telemetry stream is open. */
export interface ClientSession {
  readonly clientId: string;
  readonly kind: 'producer' | 'consumer';
  /** Topics it answers check-backs of. */
  readonly topics: ReadonlySet<string>;
  stream: TelemetryStream | undefined;
  /** Writes go nowhere and nobody notices, as on a connection that died without a word. */
  isMute: boolean;
}

/** Sessions that nobody ended are kept up to this number. */
const MOST_SESSIONS = 10_000;

export class ClientSessions {
  readonly #sessions = new Map<string, ClientSession>();
  #turn: number;

  /** `seed` decides who is asked first. */
  constructor(seed: number) {
    this.#turn = Math.abs(seed);
  }

  find(clientId: string): ClientSession | undefined {
    return this.#sessions.get(clientId);
  }

  isOnline(clientId: string): boolean {
    return this.#sessions.get(clientId)?.stream !== undefined;
  }

  get online(): readonly ClientSession[] {
    return [...this.#sessions.values()].filter((session) => session.stream !== undefined);
  }

  introduce(clientId: string, kind: ClientSession['kind'], topics: Iterable<string>, stream: TelemetryStream): void {
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, { clientId, kind, topics: new Set(topics), stream, isMute: false });
    if (this.#sessions.size <= MOST_SESSIONS) return;
    for (const [id, session] of this.#sessions) {
      if (session.stream !== undefined) continue;
      this.#sessions.delete(id);
      return;
    }
  }

  streamClosed(stream: TelemetryStream): void {
    for (const session of this.#sessions.values()) if (session.stream === stream) session.stream = undefined;
  }

  forget(clientId: string): void {
    this.#sessions.delete(clientId);
  }

  forgetAll(): void {
    this.#sessions.clear();
  }

  /** Asks one producer of the topic, whoever sent the half; they take turns. `false` when none is online. */
  ask(half: Half): boolean {
    const candidates = this.online.filter((session) => session.topics.has(half.message.topic));
    if (candidates.length === 0) return false;
    this.#turn = (this.#turn + 1) % candidates.length;
    const question = new RecoverOrphanedTransactionCommand()
      .setMessage(outgoingMessage(asked(half), half.storedAt))
      .setTransactionId(half.message.messageId);
    write(candidates[this.#turn]!, new TelemetryCommand().setRecoverOrphanedTransactionCommand(question));
    return true;
  }

  askToReconnect(): void {
    const command = new TelemetryCommand().setReconnectEndpointsCommand(new ReconnectEndpointsCommand().setNonce('reconnect'));
    for (const session of this.online) write(session, command);
  }

  /** Silently: the streams stay open and carry nothing more. Otherwise they fail as when a proxy goes away. */
  cut(silently: boolean): void {
    for (const session of this.online) {
      if (silently) {
        session.isMute = true;
        continue;
      }
      const { stream } = session;
      session.stream = undefined;
      stream?.emit('error', { code: status.UNAVAILABLE, details: 'the proxy is going away' });
    }
  }
}

export function write(session: ClientSession, command: service.TelemetryCommand): void {
  if (!session.isMute) session.stream?.write(command);
}
