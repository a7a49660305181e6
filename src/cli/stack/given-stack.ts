import { messageOf } from '../../shared/error-message.ts';
import { ensureDatabase } from './mysql-probe.ts';
import { parseAddress } from './remoting-client.ts';
import { rocketmqAdmin } from './rocketmq-admin.ts';
import type { Stack } from './stack.ts';
import { StackError } from './stack-error.ts';
import type { StackGroup, StackTopic } from './native-stack.ts';
import { sendProbeMessage } from './grpc-probe.ts';
import { PROBE_TOPIC } from './rocketmq-native.ts';

/** Environment variables that name a stack somebody else runs. The name server is needed only to create topics and groups. */
export const GIVEN_VARIABLES = {
  endpoints: 'CHECKBACK_ROCKETMQ_ENDPOINTS',
  mysqlUrl: 'CHECKBACK_MYSQL_URL',
  namesrv: 'CHECKBACK_ROCKETMQ_NAMESRV',
} as const;

/** Addresses read from the environment. */
export type GivenAddresses = { readonly endpoints: string; readonly mysqlUrl: string; readonly namesrv: string | undefined };

/** The given stack's addresses, `undefined` when none is given. Half a stack is an error that names the missing variable. */
export function givenAddresses(env: Readonly<Record<string, string | undefined>>): GivenAddresses | undefined {
  const read = (name: string): string | undefined => env[name]?.trim() || undefined;
  const endpoints = read(GIVEN_VARIABLES.endpoints);
  const mysqlUrl = read(GIVEN_VARIABLES.mysqlUrl);
  if (endpoints === undefined && mysqlUrl === undefined) return undefined;
  if (endpoints === undefined || mysqlUrl === undefined) {
    const [there, missing] =
      endpoints === undefined
        ? [GIVEN_VARIABLES.mysqlUrl, GIVEN_VARIABLES.endpoints]
        : [GIVEN_VARIABLES.endpoints, GIVEN_VARIABLES.mysqlUrl];
    throw new StackError(`${there} is set but ${missing} is not: a stack is both`);
  }
  const namesrv = read(GIVEN_VARIABLES.namesrv);
  parseAddress(endpoints);
  if (namesrv !== undefined) parseAddress(namesrv);
  return { endpoints, mysqlUrl, namesrv };
}

/** Lines pasted from a stack that has long been taken down are the usual reason. */
const ELSE = `unset ${Object.values(GIVEN_VARIABLES).join(' ')} to have one started here`;

/** Uses a stack that is there: asks it, creates what is missing if its name server is named, starts and ends nothing. */
export async function useGivenStack(given: GivenAddresses, topics: readonly StackTopic[], groups: readonly StackGroup[]): Promise<Stack> {
  const { endpoints, mysqlUrl, namesrv } = given;
  try {
    await ensureDatabase(mysqlUrl);
  } catch (cause) {
    throw new StackError(`the database named by ${GIVEN_VARIABLES.mysqlUrl} gave no answer: ${messageOf(cause)}; ${ELSE}`, { cause });
  }
  if (namesrv === undefined) {
    if (topics.length + groups.length > 0)
      throw new StackError(`topics and groups can only be created with ${GIVEN_VARIABLES.namesrv} set`);
  } else {
    const admin = rocketmqAdmin({ namesrv });
    try {
      await admin.createTopic(PROBE_TOPIC, 'NORMAL', { queues: 1 });
      for (const { name, type } of topics) await admin.createTopic(name, type);
      for (const { name, retryMaxTimes } of groups) await admin.createGroup(name, { retryMaxTimes });
      await sendProbeMessage(endpoints, PROBE_TOPIC, 5000);
    } catch (cause) {
      throw new StackError(`the broker named by ${GIVEN_VARIABLES.endpoints} took no probe message: ${messageOf(cause)}; ${ELSE}`, {
        cause,
      });
    } finally {
      admin.close();
    }
  }
  return { kind: 'given', endpoints, mysqlUrl, namesrvAddress: namesrv, close: async () => undefined };
}
