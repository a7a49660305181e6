/**
 * RocketMQ's remoting protocol, as far as an administrator needs it: frames of a big-endian total length, a header
 * length whose top byte names the header's encoding (0 = JSON), the header, the body.
 * Source: `RemotingCommand.encode` and `decode` in apache/rocketmq.
 */
export type RemotingRequest = {
  readonly code: number;
  readonly opaque: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
};

/** An answer: `code` 0 is success, otherwise `remark` says why not. */
export type RemotingResponse = {
  readonly code: number;
  readonly opaque: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** Lowest protocol version (V4_9_4) for which the name server writes standard JSON, with quoted map keys. */
const PROTOCOL_VERSION = 401;
/** `FrameDecoder`'s own limit on the server; anything longer is not a frame. */
const MAX_FRAME_BYTES = 16_777_216;

/** A request, ready for the wire. */
export function encodeRequest(request: RemotingRequest): Buffer {
  const { code, opaque, fields } = request;
  const header = Buffer.from(
    JSON.stringify({
      code,
      language: 'OTHER',
      version: PROTOCOL_VERSION,
      opaque,
      flag: 0,
      serializeTypeCurrentRPC: 'JSON',
      extFields: fields,
    }),
  );
  const body = request.body ?? Buffer.alloc(0);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(4 + header.length + body.length, 0);
  lengths.writeUInt32BE(header.length, 4);
  return Buffer.concat([lengths, header, body]);
}

/** Takes bytes as they come and gives back every answer that is complete. Throws on bytes that cannot be a frame. */
export function createFrameReader(): (chunk: Buffer) => RemotingResponse[] {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const responses: RemotingResponse[] = [];
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length < 4 || length > MAX_FRAME_BYTES) throw new Error(`a remoting frame of ${length} bytes: this is no RocketMQ remoting port`);
      if (pending.length < 4 + length) break;
      responses.push(decodeFrame(pending.subarray(4, 4 + length)));
      pending = pending.subarray(4 + length);
    }
    return responses;
  };
}

function decodeFrame(frame: Buffer): RemotingResponse {
  const marked = frame.readUInt32BE(0);
  const headerLength = marked & 0x00ff_ffff;
  const encoding = marked >>> 24;
  if (encoding !== 0) throw new Error(`remoting header encoding ${encoding} is not understood, only 0 (JSON)`);
  const header = JSON.parse(frame.toString('utf8', 4, 4 + headerLength)) as {
    code: number;
    opaque: number;
    remark?: string;
    extFields?: Record<string, string>;
  };
  return {
    code: header.code,
    opaque: header.opaque,
    remark: header.remark,
    fields: header.extFields ?? {},
    body: frame.subarray(4 + headerLength),
  };
}

/** JSON as fastjson writes it: map keys that are numbers stand without quotes. */
export function parseFastjson(text: string): unknown {
  return JSON.parse(
    text.replace(/"(?:[^"\\]|\\.)*"|([{,]\s*)(-?\d+)(\s*:)/g, (match, before, key, after) =>
      key === undefined ? match : `${before}"${key}"${after}`,
    ),
  );
}
