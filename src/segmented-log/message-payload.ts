import type { OutgoingMessage } from '../broker/message.ts';

/** Bytes of the JSON part, bytes of the body; then both. */
const HEAD_BYTES = 8;

/** Each message is encoded once, for `admit` and `append` alike. */
const known = new WeakMap<OutgoingMessage, Buffer>();

/** A message as it is kept: topic, tag, keys and properties as JSON, the body as it is. */
export function encodeMessage(message: OutgoingMessage): Buffer {
  const found = known.get(message);
  if (found !== undefined) return found;
  const { topic, tag, keys, properties, body } = message;
  const encoded = encodePart({ topic, tag, keys, properties }, body);
  known.set(message, encoded);
  return encoded;
}

/** Any JSON with bytes beside it. */
export function encodePart(fields: object, body: Uint8Array): Buffer {
  const json = Buffer.from(JSON.stringify(fields));
  const part = Buffer.allocUnsafe(HEAD_BYTES + json.length + body.length);
  part.writeUInt32LE(json.length, 0);
  part.writeUInt32LE(body.length, 4);
  json.copy(part, HEAD_BYTES);
  part.set(body, HEAD_BYTES + json.length);
  return part;
}

/** The parts of a payload whose sum is right, in their order. */
export function* decodeParts<Fields>(payload: Buffer): Generator<Fields & { readonly body: Buffer }> {
  for (let at = 0; at < payload.length;) {
    const bodyAt = at + HEAD_BYTES + payload.readUInt32LE(at);
    const end = bodyAt + payload.readUInt32LE(at + 4);
    const fields = JSON.parse(payload.toString('utf8', at + HEAD_BYTES, bodyAt)) as Fields;
    // A copy: a view would keep everything that was read with it in memory.
    yield { ...fields, body: Buffer.from(payload.subarray(bodyAt, end)) };
    at = end;
  }
}

export const decodeMessages = (payload: Buffer): OutgoingMessage[] => [...decodeParts<Omit<OutgoingMessage, 'body'>>(payload)];
