import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parseAddress, remotingClient } from '../../../src/cli/stack/remoting-client.ts';
import { createFrameReader, encodeRequest, parseFastjson } from '../../../src/cli/stack/remoting-frame.ts';

const answer = (opaque: number, change: object = {}, body = ''): Buffer => {
  const header = Buffer.from(JSON.stringify({ code: 0, opaque, flag: 1, language: 'JAVA', ...change }));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(4 + header.length + body.length, 0);
  lengths.writeUInt32BE(header.length, 4);
  return Buffer.concat([lengths, header, Buffer.from(body)]);
};

describe('A remoting frame', () => {
  test('carries lengths, a JSON header and the body', () => {
    const frame = encodeRequest({ code: 17, opaque: 5, fields: { topic: 'ä' }, body: Buffer.from('body') });
    expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
    const headerLength = frame.readUInt32BE(4);
    expect(JSON.parse(frame.toString('utf8', 8, 8 + headerLength))).toMatchObject({
      code: 17,
      opaque: 5,
      flag: 0,
      extFields: { topic: 'ä' },
    });
    expect(frame.toString('utf8', 8 + headerLength)).toBe('body');
  });

  test('is read however the bytes are cut, several at once included', () => {
    const bytes = Buffer.concat([answer(1, { remark: 'r', extFields: { offset: '7' } }, 'one'), answer(2, { code: 17 }), answer(3)]);
    for (let size = 1; size <= bytes.length; size += 1) {
      const read = createFrameReader();
      const responses = [];
      for (let at = 0; at < bytes.length; at += size) responses.push(...read(bytes.subarray(at, at + size)));
      expect(responses.map(({ opaque, code }) => [opaque, code])).toEqual([
        [1, 0],
        [2, 17],
        [3, 0],
      ]);
      expect(responses[0]).toMatchObject({ remark: 'r', fields: { offset: '7' } });
      expect(responses[0]!.body.toString()).toBe('one');
    }
  });

  test('is refused when it cannot be one: another protocol, another encoding', () => {
    expect(() => createFrameReader()(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow(/no RocketMQ remoting port/);
    const binary = answer(1);
    binary[4] = 1;
    expect(() => createFrameReader()(binary)).toThrow(/encoding 1/);
  });
});

describe('fastjson', () => {
  test('is read with bare number keys, inside strings nothing is touched', () => {
    expect(parseFastjson('{"a":{0:"x",-1:{2:[{3:4}]}},"t":"{0:\\"{1:"}')).toEqual({ a: { 0: 'x', '-1': { 2: [{ 3: 4 }] } }, t: '{0:"{1:' });
  });
});

describe('A remoting client', () => {
  let server: Server | undefined;
  const serve = (onRequest: (socket: Socket, opaque: number) => void): Promise<string> =>
    new Promise((resolve) => {
      server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (data) =>
          onRequest(socket, (JSON.parse(data.toString('utf8', 8, 8 + data.readUInt32BE(4))) as { opaque: number }).opaque),
        );
      }).listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(server!.address() as { port: number }).port}`));
    });
  afterEach(() => void server?.close());

  test('gives the answer to the question it belongs to', async () => {
    const held: number[] = [];
    const address = await serve((socket, opaque) => {
      // Both answers, the later question first.
      if (held.push(opaque) === 2) for (const one of held.toReversed()) socket.write(answer(one, { remark: `to ${one}` }));
    });
    const client = remotingClient(address, 1000);
    const first = client.call({ purpose: 'ask', code: 1 });
    await expect.poll(() => held.length).toBe(1);
    expect((await Promise.all([first, client.call({ purpose: 'ask', code: 1 })])).map(({ remark }) => remark)).toEqual(['to 1', 'to 2']);
    client.close();
  });

  test('names purpose and address when no answer comes, nobody listens, or the connection breaks; the next call connects anew', async () => {
    let requests = 0;
    const address = await serve((socket, opaque) => {
      requests += 1;
      if (requests === 2) socket.destroy();
      if (requests === 3) socket.write(answer(opaque));
    });
    const client = remotingClient(address, 1_000);
    const call = () => client.call({ purpose: 'create topic x', code: 17 });
    await expect(call()).rejects.toThrow(`could not create topic x: ${address}: no answer within 1000 ms`);
    await expect(call()).rejects.toThrow(`could not create topic x: ${address}: the connection was closed`);
    expect(await call()).toMatchObject({ code: 0 });
    client.close();
    await expect(remotingClient('127.0.0.1:1', 1000).call({ purpose: 'look', code: 1 })).rejects.toThrow(
      /could not look: 127\.0\.0\.1:1: .*ECONNREFUSED/,
    );
  });

  test.each(['localhost', 'http://a:1', 'a:0', 'a:70000', '', 'a:b'])('refuses the address %j', (address) => {
    expect(() => parseAddress(address)).toThrow(JSON.stringify(address));
  });
});
