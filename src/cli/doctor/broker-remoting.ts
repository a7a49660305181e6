import { remotingClient, type RemotingClient } from '../stack/remoting-client.ts';
import { parseFastjson } from '../stack/remoting-frame.ts';

/** A master broker as the name server knows it. */
export interface Master {
  readonly name: string;
  readonly address: string;
}

/** What an administrator may read of a broker. Asks only; changes nothing. */
export interface BrokerRemoting {
  masters(): Promise<readonly Master[]>;
  /** Every setting as the broker itself sees it. */
  settings(master: Master): Promise<ReadonlyMap<string, string>>;
  /** What the broker tells of itself: version, disk, clock. */
  runtime(master: Master): Promise<Readonly<Record<string, string>>>;
  /** `undefined` when the broker does not know the group. */
  group(master: Master, group: string): Promise<{ readonly retryMaxTimes: number } | undefined>;
  close(): void;
}

/** From `RequestCode` and `ResponseCode` of RocketMQ 5.4.0. */
const CODE = { settings: 26, runtime: 28, cluster: 106, group: 352 } as const;
const GROUP_NOT_EXIST = 26;

/** Speaks the remoting protocol with a name server and, at the addresses it names, with the brokers. Connects when first asked. */
export function brokerRemoting(namesrv: string, requestTimeoutMs = 4_000): BrokerRemoting {
  const clients = new Map<string, RemotingClient>();
  const ask = async (address: string, purpose: string, code: number, fields: Record<string, string> = {}) => {
    let client = clients.get(address);
    if (client === undefined) clients.set(address, (client = remotingClient(address, requestTimeoutMs)));
    return client.call({ purpose, code, fields });
  };
  const demand = async (...[address, purpose, code]: Parameters<typeof ask>): Promise<string> => {
    const { code: answer, remark, body } = await ask(address, purpose, code);
    if (answer !== 0) throw new Error(`could not ${purpose}: ${address} answered ${answer}: ${remark ?? 'without a reason'}`);
    return body.toString();
  };
  return {
    async masters() {
      const { brokerAddrTable = {} } = parseFastjson(await demand(namesrv, 'list the brokers', CODE.cluster)) as {
        brokerAddrTable?: Record<string, { brokerName: string; brokerAddrs: Record<string, string> }>;
      };
      return Object.values(brokerAddrTable).flatMap(({ brokerName, brokerAddrs }) => {
        const address = brokerAddrs['0'];
        return address === undefined ? [] : [{ name: brokerName, address }];
      });
    },
    async settings({ address }) {
      const lines = (await demand(address, 'read the settings of the broker', CODE.settings)).split('\n');
      return new Map(lines.flatMap((line) => (line.includes('=') ? [[line.slice(0, line.indexOf('=')), afterEquals(line)] as const] : [])));
    },
    async runtime({ address }) {
      const { table } = parseFastjson(await demand(address, 'read the state of the broker', CODE.runtime)) as {
        table: Record<string, string>;
      };
      return table;
    },
    async group({ address }, group) {
      const purpose = `read consumer group ${group}`;
      const { code, remark, body } = await ask(address, purpose, CODE.group, { group });
      if (code === GROUP_NOT_EXIST) return undefined;
      if (code !== 0) throw new Error(`could not ${purpose}: ${address} answered ${code}: ${remark ?? 'without a reason'}`);
      return parseFastjson(body.toString()) as { retryMaxTimes: number };
    },
    close() {
      for (const client of clients.values()) client.close();
    },
  };
}

const afterEquals = (line: string): string => line.slice(line.indexOf('=') + 1).trim();
