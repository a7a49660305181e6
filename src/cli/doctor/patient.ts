import { existsSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { messageOf } from '../../shared/error-message.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { isSqliteUrl, sqlitePath } from '../../store/sqlite-url.ts';
import { type Orm, openDatabase } from '../compose.ts';
import type { LoadedConfig } from '../config.ts';
import { parseAddress } from '../stack/remoting-client.ts';
import { type BrokerRemoting, brokerRemoting } from './broker-remoting.ts';
import { CannotLook } from './finding.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;

/** What the checks look at. Each part is opened when the first check asks for it, once for all of them. */
export interface Patient extends AsyncDisposable {
  readonly config: LoadedConfig;
  readonly isSqlite: boolean;
  /** Rejects with the reason why the database cannot be opened. */
  openDatabase(): Promise<Orm>;
  /** The same for checks that come after: `CannotLook` instead. */
  database(): Promise<Orm>;
  /** Resolves when the endpoints take a connection. */
  connectBroker(): Promise<void>;
  /** The same for checks that come after: `CannotLook` instead. */
  broker(): Promise<void>;
  /** `CannotLook` without a name server. */
  remoting(): BrokerRemoting;
  /** Ends every connection; `false` when one of them would not end. */
  close(): Promise<boolean>;
}

/** Opens nothing by itself. */
export function patientOf(config: LoadedConfig, namesrv: string | undefined): Patient {
  let orm: Promise<Orm> | undefined;
  let reached: Promise<void> | undefined;
  let remoting: BrokerRemoting | undefined;
  const isSqlite = isSqliteUrl(config.databaseUrl);
  const open = (): Promise<Orm> => (orm ??= refuseNewFile(config.databaseUrl).then(() => openDatabase(config)));
  const reach = (): Promise<void> => (reached ??= canConnect(config.endpoints, CONNECT_TIMEOUT_MS));
  const close = async (): Promise<boolean> => {
    remoting?.close();
    const closing = (async () => (await orm?.catch(() => undefined))?.close(true))();
    return withDeadline(closing, CLOSE_TIMEOUT_MS, () => new Error('a connection does not end')).then(
      () => true,
      () => false,
    );
  };
  return {
    config,
    isSqlite,
    openDatabase: open,
    database: () => open().catch((): never => cannotLook('the database cannot be opened')),
    connectBroker: reach,
    broker: () => reach().catch((): never => cannotLook('the broker cannot be reached')),
    remoting() {
      if (namesrv === undefined) cannotLook('the name server is not known; set CHECKBACK_ROCKETMQ_NAMESRV=host:9876 or --namesrv');
      return (remoting ??= brokerRemoting(namesrv));
    },
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}

function cannotLook(why: string): never {
  throw new CannotLook(why);
}

/** To open a SQLite file that is not there makes it; whoever looks around leaves nothing behind. */
async function refuseNewFile(url: string): Promise<void> {
  if (isSqliteUrl(url) && !existsSync(sqlitePath(url))) throw new Error(`there is no file ${sqlitePath(url)}`);
}

/** Resolves when somebody takes a TCP connection at `host:port`; rejects with a sentence. */
export function canConnect(address: string, timeoutMs: number): Promise<void> {
  const { host, port } = parseAddress(address);
  let socket: Socket | undefined;
  const connected = new Promise<void>((resolve, reject) => {
    socket = connect({ host, port }, resolve);
    socket.once('error', (error) => reject(new Error(`${address}: ${messageOf(error)}`, { cause: error })));
  });
  return withDeadline(connected, timeoutMs, () => new Error(`${address}: no connection within ${timeoutMs} ms`)).finally(() =>
    socket?.destroy(),
  );
}
