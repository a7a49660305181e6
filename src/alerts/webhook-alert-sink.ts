import { ConfigurationError } from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import type { Clock } from '../shared/clock.ts';
import type { Alert, AlertSink } from './alert.ts';

export interface WebhookOptions {
  /** `https://…`, or `http://` to loopback. No user name in it: put credentials into `headers`. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is posted, as JSON. Default: the alert itself. For chat services give e.g. `(alert) => ({ text: alert.summary })`. */
  readonly body?: (alert: Alert) => unknown;
  /** One attempt. Default 5,000. */
  readonly timeoutMs?: number;
  /** The first one counted; pauses of 1 s, doubling. Default 3. */
  readonly maxAttempts?: number;
  readonly clock?: Clock;
}

/**
 * Posts alerts to a URL. Anything but a 2xx is tried again; a redirect is a failure and is not followed. The same alert
 * may arrive twice. Throws `ConfigurationError` for a URL it would not call.
 */
export function webhookAlertSink(options: WebhookOptions): AlertSink {
  const { headers = {}, body = (alert) => alert, timeoutMs = 5_000, maxAttempts = 3, clock = systemClock } = options;
  const url = webhookUrl(options.url);
  for (const [name, value] of Object.entries({ timeoutMs, maxAttempts })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`webhook: ${name} must be a whole number of at least 1, got ${value}`);
  }
  const post = async (alert: Alert, signal: AbortSignal): Promise<void> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body(alert)),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    // Nothing is read from it, and an unread body would keep its socket.
    await response.body?.cancel();
    if (!response.ok) throw new Error(`${url.origin} answered ${response.status} to an alert`);
  };
  return async (alert, signal) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await post(alert, signal);
      } catch (error) {
        if (attempt >= maxAttempts || signal.aborted) throw error;
        await clock.sleep(1_000 * 2 ** (attempt - 1), signal);
      }
    }
  };
}

function webhookUrl(given: string): URL {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new ConfigurationError('webhook: url is not a URL');
  }
  if (url.username || url.password) throw new ConfigurationError('webhook: url must not hold a user name or password; use headers');
  const isLoopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback))
    throw new ConfigurationError(`webhook: url must be https, or http to loopback, got ${url.protocol}//${url.host}`);
  return url;
}
