import type { Metadata, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { EmbeddedBrokerSettings } from '../broker-settings.ts';
import type { FaultSwitches } from '../fault-switches.ts';
import type { MessageBroker } from '../message-broker.ts';
import { Refusal } from '../refusal.ts';
import type { EmbeddedTopicType } from '../stored-message.ts';
import type { Clock } from '../../shared/clock.ts';
import type { ClientSessions } from './client-sessions.ts';
import type { definition } from './grpc-package.ts';
import { statusOfError } from './status.ts';

/** What every request may use. */
export interface BrokerContext {
  readonly broker: MessageBroker;
  readonly sessions: ClientSessions;
  readonly settings: EmbeddedBrokerSettings;
  readonly faults: FaultSwitches;
  readonly clock: Clock;
  readonly brokerName: string;
  readonly autoCreateTopics: EmbeddedTopicType | undefined;
  readonly autoCreateGroups: { readonly retryMaxTimes: number } | undefined;
  /** Where clients are told to send to. */
  readonly address: () => { readonly host: string; readonly port: number };
  /** Resolves when what was changed so far survives a crash. */
  readonly flushed: () => Promise<void>;
}

export interface CallOf<Request> {
  readonly request: Request;
  readonly clientId: string;
  readonly peer: string;
}

/** The name a client gives itself; the proxy answers nobody without one. */
export function clientIdOf(metadata: Metadata): string {
  const [value] = metadata.get('x-mq-client-id');
  const clientId = typeof value === 'string' ? value.trim() : '';
  if (clientId === '') throw new Refusal('CLIENT_ID_REQUIRED', 'client id cannot be empty');
  return clientId;
}

interface Answer {
  setStatus(status: definition.Status): Answer;
}

/** A request with one answer. Whatever is thrown becomes the status of an answer: the protocol refuses inside of OK calls. */
export function unary<Request, Response extends Answer>(
  { clock, faults }: BrokerContext,
  Response: new () => Response,
  respond: (call: CallOf<Request>) => Response | Promise<Response>,
) {
  return async (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): Promise<void> => {
    let response: Response;
    try {
      const clientId = clientIdOf(call.metadata);
      response = await respond({ request: call.request, clientId, peer: call.getPeer() });
    } catch (error) {
      response = new Response();
      response.setStatus(statusOfError(error));
    }
    if (faults.latencyMs > 0) await clock.sleep(faults.latencyMs);
    done(null, response);
  };
}
