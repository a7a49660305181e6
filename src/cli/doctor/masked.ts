import type { LoadedConfig } from '../config.ts';

/** Shorter ones would blank out ordinary words. */
const SHORTEST_SECRET = 4;

/**
 * Takes everything of a configuration that is a secret out of a text: passwords in URLs, and the known secrets wherever
 * an error message of somebody else's repeats them.
 */
export function maskerOf(
  config: Pick<LoadedConfig, 'databaseUrl' | 'origins' | 'alertWebhook'> & Partial<Pick<LoadedConfig, 'changeDataCapture' | 'opsToken'>>,
): (text: string) => string {
  const secrets = [...new Set(secretsOf(config))].filter((secret) => secret.length >= SHORTEST_SECRET);
  // Longest first: one secret may begin another.
  secrets.sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text.replace(/(\w+:\/\/)[^\s/@'"]+@/g, '$1***@');
    for (const secret of secrets) clean = clean.replaceAll(secret, '***');
    return clean;
  };
}

function secretsOf({ databaseUrl, origins, alertWebhook, changeDataCapture, opsToken }: Parameters<typeof maskerOf>[0]): string[] {
  const passwords = [databaseUrl, changeDataCapture?.binlogUrl ?? ''].map((url) => (URL.canParse(url) ? new URL(url).password : ''));
  const ofOrigins = Object.values(origins).flatMap((origin) =>
    typeof origin === 'string' ? [] : [...Object.values(origin.headers ?? {}), origin.key ?? ''],
  );
  const credentials = ofOrigins.map((header) => header.replace(/^\S+\s+/, ''));
  return [...passwords, ...passwords.map(decoded), ...ofOrigins, ...credentials, alertWebhook ?? '', opsToken ?? ''];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
