/** One packet of the MySQL protocol as it goes over the wire: three bytes of length, one of sequence, the payload. */
export interface MysqlPacket {
  readonly sequence: number;
  readonly payload: Buffer;
  /** With its header. */
  readonly bytes: Buffer;
}

const HEADER = 4;

/** Cuts a byte stream into packets, however the bytes were chunked. Each direction of a connection needs its own. */
export function packetCutter(): (chunk: Buffer) => MysqlPacket[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    const packets: MysqlPacket[] = [];
    while (rest.byteLength >= HEADER) {
      const end = HEADER + rest.readUIntLE(0, 3);
      if (rest.byteLength < end) break;
      packets.push({ sequence: rest[3]!, payload: rest.subarray(HEADER, end), bytes: rest.subarray(0, end) });
      rest = rest.subarray(end);
    }
    return packets;
  };
}

/** An ERR packet, as a server that speaks protocol 4.1 writes it. */
export function errPacket(sequence: number, { errno, sqlState, message }: { errno: number; sqlState: string; message: string }): Buffer {
  const payload = Buffer.concat([Buffer.from([0xff, errno & 0xff, errno >> 8]), Buffer.from(`#${sqlState}${message}`)]);
  return framed(sequence, payload);
}

export function framed(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUIntLE(payload.byteLength, 0, 3);
  header[3] = sequence;
  return Buffer.concat([header, payload]);
}

const CLIENT_DEPRECATE_EOF = 0x0100_0000;
const CLIENT_QUERY_ATTRIBUTES = 0x0800_0000;
const MORE_RESULTS = 0x0008;
const LONGEST = 0xff_ff_ff;
const [OK, LOCAL_INFILE, EOF, ERR] = [0x00, 0xfb, 0xfe, 0xff];

/** What a greeting tells: the session's id on the server, and what the server can do. */
export function readGreeting(payload: Buffer): { threadId: number; capabilities: number } {
  const at = payload.indexOf(0, 1) + 1;
  const upper = at + 4 + 8 + 1 + 2 + 1 + 2;
  return { threadId: payload.readUInt32LE(at), capabilities: (payload.readUInt16LE(at + 13) | (payload.readUInt16LE(upper) << 16)) >>> 0 };
}

/** The client's first packet begins with what it wants to use. */
export const readClientCapabilities = (payload: Buffer): number => payload.readUInt32LE(0);

/** The text of a COM_QUERY; `undefined` for every other command. */
export function queryText(payload: Buffer, capabilities: number): string | undefined {
  if (payload[0] !== 0x03) return undefined;
  // Without attributes two numbers come first: none of them, in one set.
  return payload.subarray(hasBit(capabilities, CLIENT_QUERY_ATTRIBUTES) ? 3 : 1).toString('utf8');
}

export type AnswerKind = 'ok' | 'error' | 'rows';

/**
 * Follows the answer to one COM_QUERY packet by packet and tells its kind with the last one. Rows and columns begin with
 * the same bytes as OK and ERR do, so which packet ends it can only be told from where in the answer it stands.
 */
export function answerReader(capabilities: number): (packet: MysqlPacket) => AnswerKind | undefined {
  let at: 'head' | 'columns' | 'end of columns' | 'rows' = 'head';
  let columns = 0;
  let isContinued = false;
  let kind: AnswerKind = 'ok';
  const next = (status: number): AnswerKind | undefined => {
    at = 'head';
    return (status & MORE_RESULTS) === 0 ? kind : undefined;
  };
  return ({ payload }) => {
    // A row of 16 MiB goes on in the next packet.
    const isContinuation = isContinued;
    isContinued = payload.byteLength === LONGEST;
    if (isContinuation) return undefined;
    const [first] = payload;
    if (first === ERR && (at === 'head' || at === 'rows')) return 'error';
    if (at === 'head') {
      if (first === OK) return next(payload.readUInt16LE(afterLengths(payload, 1, 2)));
      if (first === LOCAL_INFILE) throw new Error('LOAD DATA LOCAL is not understood');
      kind = 'rows';
      columns = readLength(payload, 0).value;
      at = 'columns';
    } else if (at === 'columns') {
      columns -= 1;
      if (columns === 0) at = hasBit(capabilities, CLIENT_DEPRECATE_EOF) ? 'rows' : 'end of columns';
    } else if (at === 'end of columns') at = 'rows';
    // A row may begin with 0xfe as well, but is as long as 16 MiB then.
    else if (first === EOF && payload.byteLength < LONGEST) {
      return next(payload.readUInt16LE(hasBit(capabilities, CLIENT_DEPRECATE_EOF) ? afterLengths(payload, 1, 2) : 3));
    }
    return undefined;
  };
}

function hasBit(flags: number, bit: number): boolean {
  return (flags & bit) !== 0;
}

/** A length-encoded integer. */
function readLength(payload: Buffer, at: number): { value: number; end: number } {
  const first = payload[at]!;
  const size = first === 0xfc ? 2 : first === 0xfd ? 3 : first === 0xfe ? 6 : 0;
  // Eight bytes of which the upper two are never used here.
  return size === 0
    ? { value: first, end: at + 1 }
    : { value: payload.readUIntLE(at + 1, size), end: at + 1 + (first === 0xfe ? 8 : size) };
}

function afterLengths(payload: Buffer, at: number, count: number): number {
  return count === 0 ? at : afterLengths(payload, readLength(payload, at).end, count - 1);
}
