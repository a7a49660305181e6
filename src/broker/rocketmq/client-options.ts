import { clientLogger } from './client-logger.ts';
import type { ResolvedRocketmqOptions } from './options.ts';

/** What every client of this broker is constructed with. */
export function clientOptions({ endpoints, requestTimeoutMs, tls, credentials, logger }: ResolvedRocketmqOptions) {
  return {
    endpoints,
    namespace: '',
    requestTimeout: requestTimeoutMs,
    sslEnabled: tls !== false,
    ...(credentials === undefined ? {} : { sessionCredentials: { ...credentials, securityToken: credentials.securityToken ?? '' } }),
    logger: clientLogger(logger),
  };
}
