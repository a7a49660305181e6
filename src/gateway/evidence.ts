import { hash } from 'node:crypto';
import type { CheckbackError } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import type { ExternalCall } from './external-call.ts';
import type { RequestRecord, ResponseSnapshot, StoredBody } from './external-call-store.ts';
import { maskJson, type MaskRules, SECRET_NAMES } from './mask-json.ts';
import type { PreparedRequest } from './prepare-request.ts';

/** Headers stored in clear. Of any other header the name is stored, and `***`. */
export const KEPT_HEADERS: readonly string[] = [
  'accept',
  'accept-encoding',
  'age',
  'cache-control',
  'connection',
  'content-encoding',
  'content-language',
  'content-length',
  'content-type',
  'date',
  'idempotency-key',
  'keep-alive',
  'retry-after',
  'server',
  'transfer-encoding',
  'user-agent',
  'via',
  'x-correlation-id',
  'x-request-id',
];

/** How one call's evidence is stored. */
export interface EvidenceRules {
  readonly keptHeaders: ReadonlySet<string>;
  readonly masks: MaskRules;
  /** Whether the definition says what to keep or mask: then a body that is not JSON is not kept at all. */
  readonly isStrict: boolean;
}

export const evidenceRules = ({
  keep,
  mask,
  keepHeaders,
}: Pick<ExternalCall<never, unknown>, 'keep' | 'mask' | 'keepHeaders'>): EvidenceRules => ({
  keptHeaders: new Set([...KEPT_HEADERS, ...(keepHeaders ?? []).map((name) => name.toLowerCase())]),
  masks: { keep, mask: [...SECRET_NAMES.map((name) => `**.${name}`), ...(mask ?? [])] },
  isStrict: keep !== undefined || mask !== undefined,
});

/** The request as it is stored before the first byte leaves. */
export function requestRecord(
  ids: { readonly callName: string; readonly origin: string; readonly idempotencyKey: string; readonly correlationId: string },
  request: PreparedRequest,
  rules: EvidenceRules,
  secrets: readonly string[],
  openedAt: Date,
): RequestRecord {
  return {
    ...ids,
    method: request.method,
    path: scrub(request.path, secrets)
      .replace(/([?&][^=&]*=)[^&]+/g, '$1***')
      .slice(0, 2048),
    headers: storedHeaders([...request.headers], rules, secrets),
    body: request.body && storedBody(request.body, rules, secrets),
    openedAt,
  };
}

/** What came of it, as it is stored after. Whatever the institution echoes of our own credentials is masked too. */
export function responseSnapshot(
  exchange: Exchange,
  error: CheckbackError | undefined,
  rules: EvidenceRules,
  secrets: readonly string[],
  closedAt: Date,
): ResponseSnapshot {
  const { answer } = exchange;
  return {
    httpStatus: answer?.httpStatus,
    headers: answer && storedHeaders(answer.headers, rules, secrets),
    body: answer && storedBody(answer.body, rules, secrets),
    isTruncated: answer?.isTruncated ?? false,
    failedPhase: exchange.kind === 'failed' ? exchange.phase : undefined,
    times: exchange.times,
    remoteAddress: exchange.remoteAddress,
    errorCode: error?.code,
    errorChain: error && scrub(errorChain(error), secrets),
    closedAt,
  };
}

/** JSON of an error and its causes, name, code and message of each, ten at most. */
export function errorChain(error: unknown): string {
  const chain: object[] = [];
  for (let link = error; link instanceof Error && chain.length < 10; link = link.cause) {
    const { code } = link as NodeJS.ErrnoException;
    chain.push({ name: link.name, ...(code !== undefined && { code }), message: link.message.slice(0, 500) });
  }
  return JSON.stringify(chain);
}

function storedBody(raw: Buffer, rules: EvidenceRules, secrets: readonly string[]): StoredBody {
  const common = { rawBytes: raw.length, sha256: hash('sha256', raw, 'buffer') };
  const mayHoldSecrets = rules.isStrict || NAMED_SECRET.test(raw.toString('latin1'));
  const masked = mayHoldSecrets ? maskJson(raw, rules.masks) : { bytes: raw, isMasked: false };
  // Not JSON, or cut in the middle: names and values cannot be told apart.
  if (!masked && raw.length > 0) return { state: 'WITHHELD', bytes: undefined, ...common };
  const kept = masked?.bytes ?? raw;
  const bytes = secrets.some((secret) => kept.includes(secret))
    ? Buffer.from(scrub(kept.toString('latin1'), secrets.map(asLatin1)), 'latin1')
    : kept;
  return { state: bytes === raw ? 'RAW' : 'MASKED', bytes, ...common };
}

// A well-known name before a colon or an equals sign; an escape may hide one, so it counts as well.
const NAMED_SECRET = new RegExp(`\\b(?:${SECRET_NAMES.join('|')})["']?\\s*[:=]|\\\\u`, 'i');

const storedHeaders = (
  headers: readonly (readonly [string, string])[],
  { keptHeaders }: EvidenceRules,
  secrets: readonly string[],
): string => JSON.stringify(headers.map(([name, value]) => [name, keptHeaders.has(name) ? scrub(value, secrets) : '***']));

/** What of a request must be stored nowhere, its answer included: the values of headers that are not kept, whole and in their parts (`Bearer x`, `a=b; c=d`), where long enough to mean something. */
export function secretsOf({ headers }: PreparedRequest, { keptHeaders }: EvidenceRules): string[] {
  const values = [...headers].filter(([name]) => !keptHeaders.has(name)).map(([, value]) => value);
  return [...new Set(values.flatMap((value) => [value, ...value.split(/[\s;,=]+/)]))]
    .filter((secret) => secret.length >= 8)
    .sort((a, b) => b.length - a.length);
}

const scrub = (text: string, secrets: readonly string[]): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
const asLatin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
