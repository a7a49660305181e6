import type { IncomingMessage } from 'node:http';

/** Enough for a reason and what an institution would have answered. */
export const MAX_FORM_BYTES = 16 * 1024;

/** A request that is answered with a status of its own; the message is shown. */
export class RefusedRequest extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'RefusedRequest';
    this.status = status;
  }
}

/** The fields of a form. Rejects with `RefusedRequest`: 415 for anything else, 413 for one that is too long. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') throw new RefusedRequest(415, 'Only forms are taken.');
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes > MAX_FORM_BYTES) throw new RefusedRequest(413, `The form is longer than ${MAX_FORM_BYTES} bytes.`);
    pieces.push(piece);
  }
  return new URLSearchParams(Buffer.concat(pieces).toString('utf8'));
}

/** A field that must be there. */
export const required = (fields: URLSearchParams, name: string, label = name): string => {
  const value = fields.get(name)?.trim() ?? '';
  if (value === '') throw new RefusedRequest(400, `${label} is missing.`);
  return value;
};

/** A field that is one of these; the first when it is left out. */
export const oneOf = <T extends string>(fields: URLSearchParams, name: string, values: readonly T[]): T => {
  const value = fields.get(name) ?? values[0];
  if (!values.includes(value as T)) throw new RefusedRequest(400, `${name} must be one of ${values.join(', ')}.`);
  return value as T;
};

/** A number of a row; `undefined` when it is left out. */
export const rowNumber = (fields: URLSearchParams, name: string): number | undefined => {
  const text = fields.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value) || value < 1) throw new RefusedRequest(400, `${name} must be a number.`);
  return value;
};

export const requiredNumber = (fields: URLSearchParams, name: string): number => {
  const value = rowNumber(fields, name);
  if (value === undefined) throw new RefusedRequest(400, `${name} is missing.`);
  return value;
};

const MAX_REASON = 500;

/** Why somebody decides. */
export const reasonOf = (fields: URLSearchParams): string => {
  const reason = required(fields, 'reason', 'A reason');
  if (reason.length > MAX_REASON) throw new RefusedRequest(400, `The reason must be ${MAX_REASON} characters at most.`);
  return reason;
};
