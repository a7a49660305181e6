import type { ProtobufReader } from './protobuf-reader.ts';

/** The broker's own word, as every answer carries it; `code` is the protocol's `Code`. */
export interface ResponseStatus {
  readonly code: number;
  readonly message: string;
}

export function readStatus(reader: ProtobufReader): ResponseStatus {
  let code = 0;
  let message = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) code = reader.number();
    else if (field === 2) message = reader.string();
    else reader.skip();
  }
  return { code, message };
}
