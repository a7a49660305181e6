import { connect, constants } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { parseAddress } from './remoting-client.ts';

/**
 * Sends one NORMAL message through the gRPC proxy the way a client does, and resolves when the proxy said that it is
 * stored. Written out by hand (six protobuf fields) because `src/broker/rocketmq` alone may use the client, and because
 * a probe must not need that client's start-up, reconnects and telemetry. Rejects with what the proxy answered.
 */
export async function sendProbeMessage(endpoints: string, topic: string, timeoutMs: number): Promise<void> {
  const answer = await unary(endpoints, '/apache.rocketmq.v2.MessagingService/SendMessage', encodeSendRequest(topic), timeoutMs);
  const { code, message } = readStatus(answer);
  if (code !== STATUS_OK) throw new Error(`the proxy ${endpoints} refused a message to ${topic}: ${code} ${message}`);
}

const STATUS_OK = 20_000;
const NORMAL = 1;
const IDENTITY = 1;

function unary(endpoints: string, path: string, request: Buffer, timeoutMs: number): Promise<Buffer> {
  const { host, port } = parseAddress(endpoints);
  return new Promise((resolve, reject) => {
    const session = connect(`http://${host}:${port}`);
    const finish = (error: Error | undefined, answer?: Buffer): void => {
      clearTimeout(timer);
      session.destroy();
      if (error) reject(error);
      else resolve(answer!);
    };
    const timer = setTimeout(() => finish(new Error(`the proxy ${endpoints} gave no answer within ${timeoutMs} ms`)), timeoutMs);
    session.on('error', finish);
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      'grpc-timeout': `${timeoutMs}m`,
      'x-mq-protocol': 'v2',
      'x-mq-client-id': `checkback-probe@${process.pid}`,
      'x-mq-language': 'HTTP',
      'x-mq-client-version': '5.0.0',
    });
    const chunks: Buffer[] = [];
    let failure: string | undefined;
    // A refusal without a body comes as headers only, otherwise the status is in the trailers.
    const readGrpcStatus = ({ 'grpc-status': status, 'grpc-message': message }: Record<string, unknown>): void => {
      if (typeof status === 'string' && status !== '0') failure = `gRPC status ${status}: ${typeof message === 'string' ? message : ''}`;
    };
    stream.on('response', readGrpcStatus);
    stream.on('trailers', readGrpcStatus);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', finish);
    stream.on('end', () => {
      const body = Buffer.concat(chunks);
      if (failure !== undefined || body.length < 5) finish(new Error(`the proxy ${endpoints}: ${failure ?? 'empty answer'}`));
      else finish(undefined, body.subarray(5));
    });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([prefix, request]));
  });
}

/** `SendMessageRequest { messages: [{ topic, system_properties, body }] }` of service.proto. */
function encodeSendRequest(topic: string): Buffer {
  const now = BigInt(Date.now());
  const bornAt = Buffer.concat([number(1, now / 1000n), number(2, (now % 1000n) * 1_000_000n)]);
  const systemProperties = Buffer.concat([
    bytes(3, Buffer.from(randomUUID())),
    number(5, IDENTITY),
    number(6, NORMAL),
    bytes(7, bornAt),
    bytes(8, Buffer.from('127.0.0.1')),
  ]);
  const message = Buffer.concat([bytes(1, bytes(2, Buffer.from(topic))), bytes(3, systemProperties), bytes(4, Buffer.from('probe'))]);
  return bytes(1, message);
}

function varint(value: bigint): Buffer {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...out, Number(rest)]);
}
const number = (field: number, value: bigint | number): Buffer => Buffer.concat([varint(BigInt(field << 3)), varint(BigInt(value))]);
const bytes = (field: number, value: Buffer): Buffer =>
  Buffer.concat([varint(BigInt((field << 3) | 2)), varint(BigInt(value.length)), value]);

/** `Status { code = 1; message = 2 }`, field 1 of every response. Fields before it do not exist. */
function readStatus(answer: Buffer): { code: number; message: string } {
  const outer = createReader(answer);
  outer.tag();
  const status = createReader(outer.bytes());
  let code = 0;
  let message = '';
  while (!status.done()) {
    const field = status.tag() >> 3;
    if (field === 1) code = status.varint();
    else message = status.bytes().toString();
  }
  return { code, message };
}

function createReader(buffer: Buffer): { done(): boolean; tag(): number; varint(): number; bytes(): Buffer } {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let shift = 0; at < buffer.length; shift += 7) {
      const byte = buffer[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  return {
    done: () => at >= buffer.length,
    tag: readVarint,
    varint: readVarint,
    bytes() {
      const length = readVarint();
      return buffer.subarray(at, (at += length));
    },
  };
}
