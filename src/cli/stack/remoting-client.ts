import { messageOf } from '../../shared/error-message.ts';
import { connect, type Socket } from 'node:net';
import { createFrameReader, encodeRequest, type RemotingResponse } from './remoting-frame.ts';
import { StackError } from './stack-error.ts';

/** A question to a name server or broker. */
export type RemotingCall = {
  /** Reads after "could not": "create topic orders". */
  readonly purpose: string;
  readonly code: number;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
};

/** One connection to one remoting port, made when first needed and again after it broke. */
export type RemotingClient = {
  /**
   * Resolves with the answer whatever its code, so that "no such topic" can be told from trouble. Rejects with
   * `StackError` when no answer came in time or the connection broke; the other side may then have acted.
   */
  call(call: RemotingCall): Promise<RemotingResponse>;
  /** Breaks the connection; open calls reject. Idempotent. */
  close(): void;
};

type Waiting = { resolve: (response: RemotingResponse) => void; reject: (error: Error) => void };

/** Speaks the remoting protocol with `address` ("host:port"). No connection is made before the first call. */
export function remotingClient(address: string, requestTimeoutMs: number): RemotingClient {
  const { host, port } = parseAddress(address);
  const waiting = new Map<number, Waiting>();
  let socket: Socket | undefined;
  let lastOpaque = 0;

  const fail = (broken: Socket, error: Error): void => {
    broken.destroy();
    if (socket !== broken) return;
    socket = undefined;
    for (const call of waiting.values()) call.reject(error);
    waiting.clear();
  };

  const open = (): Socket => {
    const fresh = connect({ host, port, noDelay: true });
    const read = createFrameReader();
    fresh.on('data', (chunk) => {
      try {
        for (const response of read(chunk)) {
          waiting.get(response.opaque)?.resolve(response);
          waiting.delete(response.opaque);
        }
      } catch (error) {
        fail(fresh, error as Error);
      }
    });
    fresh.on('error', (error) => fail(fresh, error));
    fresh.on('close', () => fail(fresh, new Error('the connection was closed')));
    // The timer of an open call keeps the process alive; an idle connection must not.
    fresh.unref();
    return fresh;
  };

  return {
    async call({ purpose, code, fields = {}, body }) {
      const opaque = ++lastOpaque;
      let timer: NodeJS.Timeout | undefined;
      try {
        return await new Promise<RemotingResponse>((resolve, reject) => {
          timer = setTimeout(() => reject(new Error(`no answer within ${requestTimeoutMs} ms`)), requestTimeoutMs);
          waiting.set(opaque, { resolve, reject });
          socket ??= open();
          socket.write(encodeRequest({ code, opaque, fields, body }));
        });
      } catch (cause) {
        throw new StackError(`could not ${purpose}: ${address}: ${messageOf(cause)}`, { cause });
      } finally {
        clearTimeout(timer);
        waiting.delete(opaque);
      }
    },
    close() {
      if (socket) fail(socket, new Error('the client was closed'));
    },
  };
}

/** Splits "host:port". Throws `RangeError` that names what was given. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^([^:\s/]+):(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (!match?.[1] || port < 1 || port > 65_535) throw new RangeError(`an address must be host:port, got ${JSON.stringify(address)}`);
  return { host: match[1], port };
}
