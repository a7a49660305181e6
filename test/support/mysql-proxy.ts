import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import {
  type AnswerKind,
  type MysqlPacket,
  answerReader,
  errPacket,
  packetCutter,
  queryText,
  readClientCapabilities,
  readGreeting,
} from './mysql-proxy-packets.ts';

/** A statement that came to the proxy. */
export interface ProxiedStatement {
  /** Of the session on the server, as CONNECTION_ID() tells it. */
  readonly threadId: number;
  readonly text: string;
  /** What the server answered, whether or not it was passed on; `undefined` before that. */
  readonly answered: AnswerKind | undefined;
}

/** A statement in the hands of a test. It stays where it is until one of these is called. */
export interface HeldStatement extends ProxiedStatement {
  /** Sends it to the server; resolves when the server has answered in full. The answer waits in the proxy. */
  forward(): Promise<AnswerKind>;
  /** Gives the client the answer, after `forward()`; or sends the statement on as if nobody had looked. */
  pass(): void;
  /** Cuts the connection on both sides: the server has heard the statement only if it was forwarded. */
  cut(): void;
  /** Cuts the client alone: what is forwarded after that runs although nobody waits for it. */
  cutClient(): void;
  /** Answers an error in the server's place, which hears nothing of the statement. */
  refuse(error: MysqlError): void;
}

export interface MysqlError {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}

export const READ_ONLY: MysqlError = {
  errno: 1290,
  sqlState: 'HY000',
  message: 'The MySQL server is running with the --read-only option so it cannot execute this statement',
};
export const TOO_MANY_CONNECTIONS: MysqlError = { errno: 1040, sqlState: '08004', message: 'Too many connections' };

/** A wire to MySQL or MariaDB, on loopback, that knows where statements and answers begin and end. Passes everything until told otherwise. */
export interface MysqlProxy extends AsyncDisposable {
  /** Everything clients have sent, in the order it came. */
  readonly statements: readonly ProxiedStatement[];
  /** The same URL, through this proxy. */
  through(url: string): string;
  /**
   * Hands the next statement that matches to `take`, and only that one. Resolves when `take` is done with it; a `take`
   * that throws fails it. Those that come while one is taken are passed.
   */
  intercept(matches: RegExp, take: (statement: HeldStatement) => void | Promise<void>): Promise<void>;
  /** Answers new connections with an error in place of a greeting, until `pass()`. */
  refuseConnections(error: MysqlError): void;
  /** Resets what is open and what comes, as when the server is down, until `pass()`. */
  goDown(): void;
  /** Takes connections and bytes, and lets none through in either direction, until `pass()`. What was swallowed is lost. */
  swallow(): void;
  /** New connections pass again. */
  pass(): void;
  /** Resets what is open. */
  cut(): void;
}

type Weather = 'clear' | 'down' | 'swallowing' | MysqlError;
type Interception = { readonly matches: RegExp; take(statement: HeldStatement): void };

/** `url` says where the server is. `onStatement` is told each statement before anything is done with it. */
export async function startMysqlProxy(url: string, onStatement: (statement: ProxiedStatement) => void = () => {}): Promise<MysqlProxy> {
  const { hostname, port } = new URL(url);
  const statements: ProxiedStatement[] = [];
  const interceptions = new Set<Interception>();
  const links = new Set<Link>();
  let weather: Weather = 'clear';

  const server: Server = createServer((client) => {
    client.on('error', () => {});
    if (weather === 'down') return client.resetAndDestroy();
    if (typeof weather === 'object') return client.end(errPacket(0, weather));
    const link = openLink(client, connect({ host: hostname, port: Number(port) }), {
      isSwallowing: () => weather === 'swallowing',
      onStatement: (statement) => {
        statements.push(statement);
        onStatement(statement);
        const found = [...interceptions].find(({ matches }) => matches.test(statement.text));
        if (found === undefined) return statement.pass();
        interceptions.delete(found);
        found.take(statement);
      },
      onClose: () => links.delete(link),
    });
    links.add(link);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: ownPort } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const link of links) link.cut();
  };
  return {
    statements,
    through: (url) => Object.assign(new URL(url), { host: `127.0.0.1:${ownPort}` }).href,
    intercept: (matches, take) =>
      new Promise((resolve, reject) => {
        interceptions.add({ matches, take: (statement) => void (async () => take(statement))().then(resolve, reject) });
      }),
    refuseConnections: (error) => void (weather = error),
    goDown() {
      weather = 'down';
      cut();
    },
    swallow: () => void (weather = 'swallowing'),
    pass: () => void (weather = 'clear'),
    cut,
    async [Symbol.asyncDispose]() {
      const closed = once(server.close(), 'close');
      weather = 'down';
      cut();
      await closed;
    },
  };
}

interface Link {
  cut(): void;
}

/** One client and its session on the server. */
function openLink(
  client: Socket,
  upstream: Socket,
  handlers: { isSwallowing(): boolean; onStatement(statement: HeldStatement): void; onClose(): void },
): Link {
  const [cutFromClient, cutFromServer] = [packetCutter(), packetCutter()];
  let greeting: { threadId: number; capabilities: number } | undefined;
  let capabilities: number | undefined;
  /** The statement whose answer is under way; everything else is passed as it comes. */
  let current: { onAnswer(packet: MysqlPacket): void; onLost(): void } | undefined;
  let isClientAlone = false;

  const cut = (): void => {
    client.resetAndDestroy();
    upstream.destroy();
  };
  const fromClient = (packet: MysqlPacket): void => {
    // Its first packet says what it speaks; the rest of its log-in is none of our business.
    capabilities ??= readClientCapabilities(packet.payload) & (greeting?.capabilities ?? 0);
    const text = packet.sequence === 0 ? queryText(packet.payload, capabilities) : undefined;
    if (text === undefined) upstream.write(packet.bytes);
    else handlers.onStatement(hold(packet, text, capabilities));
  };
  const fromServer = (packet: MysqlPacket): void => {
    if (greeting === undefined && packet.payload[0] === 10) greeting = readGreeting(packet.payload);
    if (current === undefined) client.write(packet.bytes);
    else current.onAnswer(packet);
  };

  function hold(packet: MysqlPacket, text: string, negotiated: number): HeldStatement {
    let answered: AnswerKind | undefined;
    let isForwarded = false;
    let isPassing = false;
    const kept: Buffer[] = [];
    const done = Promise.withResolvers<AnswerKind>();
    done.promise.catch(() => {});
    const send = (): void => {
      isForwarded = true;
      const read = answerReader(negotiated);
      current = {
        onAnswer({ bytes, ...rest }) {
          if (isPassing) client.write(bytes);
          else kept.push(bytes);
          answered = read({ bytes, ...rest });
          if (answered === undefined) return;
          current = undefined;
          done.resolve(answered);
        },
        onLost: () => done.reject(new Error(`the connection was closed before the server had answered "${text}"`)),
      };
      if (upstream.writable) upstream.write(packet.bytes);
      else current.onLost();
    };
    return {
      threadId: greeting?.threadId ?? 0,
      text,
      get answered() {
        return answered;
      },
      forward() {
        if (!isForwarded) send();
        return done.promise;
      },
      pass() {
        isPassing = true;
        if (isForwarded) client.write(Buffer.concat(kept.splice(0)));
        else send();
      },
      cut,
      cutClient() {
        isClientAlone = true;
        client.resetAndDestroy();
      },
      refuse: (error) => void client.write(errPacket(packet.sequence + 1, error)),
    };
  }

  client.on('data', (chunk) => handlers.isSwallowing() || cutFromClient(chunk).forEach(fromClient));
  upstream.on('data', (chunk) => handlers.isSwallowing() || cutFromServer(chunk).forEach(fromServer));
  client.once('close', () => {
    if (!isClientAlone) upstream.end();
  });
  upstream
    .on('error', () => {})
    .once('close', () => {
      current?.onLost();
      client.end();
      handlers.onClose();
    });
  return { cut };
}
