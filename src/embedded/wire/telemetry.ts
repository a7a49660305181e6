import { status } from '@grpc/grpc-js';
import { requireGroupName } from '../consumer-group.ts';
import { Refusal } from '../refusal.ts';
import { requireTopicName } from '../topics.ts';
import { type BrokerContext, type CallOf, clientIdOf } from './broker-call.ts';
import type { TelemetryStream } from './client-sessions.ts';
import { write } from './client-sessions.ts';
import { ClientType, HeartbeatResponse, NotifyClientTerminationResponse, type service, TelemetryCommand } from './grpc-package.ts';
import { mergedSettings } from './client-settings.ts';
import { okStatus, statusOf } from './status.ts';

/** The stream on which a client introduces itself, and is asked. */
export function telemetry(context: BrokerContext, stream: TelemetryStream): void {
  const { sessions } = context;
  stream.on('data', (command: service.TelemetryCommand) => {
    try {
      introduce(context, stream, command);
    } catch (error) {
      fail(stream, error);
    }
  });
  stream.on('end', () => {
    sessions.streamClosed(stream);
    stream.end();
  });
  stream.on('cancelled', () => sessions.streamClosed(stream));
  stream.on('error', () => sessions.streamClosed(stream));
  stream.on('close', () => sessions.streamClosed(stream));
}

function introduce(context: BrokerContext, stream: TelemetryStream, command: service.TelemetryCommand): void {
  const settings = command.getSettings();
  // Thread dumps and verified messages are answers to questions this broker does not put.
  if (settings === undefined) return;
  const clientId = clientIdOf(stream.metadata);
  const { sessions } = context;
  const known = sessions.find(clientId);
  // Cut without a word: what the client says on it does not arrive either.
  if (known?.stream === stream && known.isMute) return;
  const [publishing, subscription] = [settings.getPublishing(), settings.getSubscription()];
  if (publishing !== undefined) {
    const topics = publishing.getTopicsList().map((topic) => topic.getName());
    for (const topic of topics) requireTopicName(topic);
    sessions.introduce(clientId, 'producer', topics, stream);
  } else if (subscription !== undefined) {
    requireGroupName(subscription.getGroup()?.getName() ?? '');
    sessions.introduce(clientId, 'consumer', [], stream);
  } else throw new Refusal('BAD_REQUEST', 'there is no publishing or subscription data in settings');
  const session = sessions.find(clientId);
  const reply = new TelemetryCommand().setStatus(okStatus()).setSettings(mergedSettings(context, settings));
  if (session !== undefined) write(session, reply);
}

function fail(stream: TelemetryStream, error: unknown): void {
  const isRefusal = error instanceof Refusal;
  const details = `process client telemetryCommand failed. ${error instanceof Error ? error.message : String(error)}`;
  // How a handler fails a stream: destroying it would end it without a status.
  stream.emit('error', { code: isRefusal ? status.INVALID_ARGUMENT : status.INTERNAL, details });
}

/** A client the broker does not know is told so, and introduces itself again. */
export function heartbeat({ sessions }: BrokerContext, { request, clientId }: CallOf<service.HeartbeatRequest>): service.HeartbeatResponse {
  const session = sessions.find(clientId);
  if (session === undefined)
    return new HeartbeatResponse().setStatus(statusOf('UNRECOGNIZED_CLIENT_TYPE', 'cannot find client settings for this client'));
  if (request.getClientType() !== ClientType.PRODUCER && session.kind === 'consumer') requireGroupName(request.getGroup()?.getName() ?? '');
  return new HeartbeatResponse().setStatus(okStatus());
}

export function notifyClientTermination(
  { sessions }: BrokerContext,
  { clientId }: CallOf<service.NotifyClientTerminationRequest>,
): service.NotifyClientTerminationResponse {
  const response = new NotifyClientTerminationResponse();
  if (sessions.find(clientId) === undefined)
    return response.setStatus(statusOf('UNRECOGNIZED_CLIENT_TYPE', 'cannot find client settings for this client'));
  sessions.forget(clientId);
  return response.setStatus(okStatus());
}
