import { connect } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { dropEndlessDeadline } from '../../src/embedded/wire/endless-deadline.ts';
import { EmbeddedBroker } from '../../src/testing.ts';

describe('A deadline', () => {
  it.each([
    ['99999999H', undefined],
    ['597H', undefined],
    ['596H', '596H'],
    ['2147483648m', undefined],
    ['3S', '3S'],
    ['garbage', 'garbage'],
  ])('%s is kept as %s', (timeout, kept) => {
    const headers = { 'grpc-timeout': timeout };
    dropEndlessDeadline(headers);
    expect(headers['grpc-timeout']).toBe(kept);
  });

  it('of years, as the official Java client sets it, does not end a stream', async () => {
    const broker = await EmbeddedBroker.start();
    const session = connect(`http://${broker.endpoints}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/apache.rocketmq.v2.MessagingService/Telemetry',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '99999999H',
      'x-mq-client-id': 'java',
    });
    let isEnded = false;
    stream.on('close', () => (isEnded = true));
    // Answered behind it on the same connection.
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    for (let round = 0; round < 3; round += 1) await new Promise<void>((resolve) => session.ping(() => resolve()));
    expect(isEnded).toBe(false);
    stream.close();
    session.destroy();
    await broker.close();
  });
});
