import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';

/** The client sets none at all. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  // The server side permits one ping in five minutes; a shorter interval may be answered by GOAWAY. Missed heartbeats
  // find a dead connection sooner (see `HeartbeatWatch`); this one ends sockets nobody uses any more.
  'grpc.keepalive_time_ms': 300_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.keepalive_permit_without_calls': 1,
  // 32 messages of 4 MiB each may come in one batch; the default limit of 4 MiB would refuse all of them.
  'grpc.max_receive_message_length': -1,
  // Without these a broker that was away for ten minutes is found again only two minutes after its return.
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A new channel must be a new connection: the shared pool hands out the dead one as long as another client holds it.
  'grpc.use_local_subchannel_pool': 1,
  // A broker is never behind the web proxy of `http_proxy`, and 127.0.0.1 even less.
  'grpc.enable_http_proxy': 0,
  // No TXT look-ups: RocketMQ publishes no service configuration.
  'grpc.service_config_disable_resolution': 1,
};

/** The client knows only the system's authorities. */
export function channelCredentials(tls: boolean | { readonly ca: string }): ChannelCredentials {
  if (tls === false) return credentials.createInsecure();
  return credentials.createSsl(tls === true ? null : Buffer.from(tls.ca));
}
