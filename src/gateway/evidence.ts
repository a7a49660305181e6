import { hash } from 'node:crypto';
import type { CheckbackError } from '../errors.ts';
import type { Exchange, PhaseTimes, RawAnswer, TimeoutPhase } from './exchange.ts';
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

/** The request as it is stored before the first byte leaves. Masked and hashed when a store reads it, not before. */
export const requestRecord = (
  ids: { readonly callName: string; readonly origin: string; readonly idempotencyKey: string; readonly correlationId: string },
  request: PreparedRequest,
  rules: EvidenceRules,
  secrets: Secrets,
  openedAt: Date,
): RequestRecord => new RequestEvidence(ids, request, rules, secrets, openedAt);

class RequestEvidence implements RequestRecord {
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly origin: string;
  readonly method: string;
  readonly openedAt: Date;
  readonly #request: PreparedRequest;
  readonly #rules: EvidenceRules;
  readonly #secrets: Secrets;
  #body: StoredBody | undefined;

  constructor(ids: Parameters<typeof requestRecord>[0], request: PreparedRequest, rules: EvidenceRules, secrets: Secrets, openedAt: Date) {
    this.callName = ids.callName;
    this.idempotencyKey = ids.idempotencyKey;
    this.correlationId = ids.correlationId;
    this.origin = ids.origin;
    this.method = request.method;
    this.openedAt = openedAt;
    this.#request = request;
    this.#rules = rules;
    this.#secrets = secrets;
  }

  get path(): string {
    return scrub(this.#request.path, this.#secrets.list)
      .replace(/([?&][^=&]*=)[^&]+/g, '$1***')
      .slice(0, 2048);
  }

  get headers(): string {
    return storedHeaders([...this.#request.headers], this.#rules, this.#secrets.list);
  }

  get body(): StoredBody | undefined {
    const { body } = this.#request;
    return (this.#body ??= body && storedBody(body, this.#rules, this.#secrets.list));
  }
}

/** What came of it, as it is stored after. Whatever the institution echoes of our own credentials is masked too. Masked and hashed when a store reads it. */
export const responseSnapshot = (
  exchange: Exchange,
  error: CheckbackError | undefined,
  rules: EvidenceRules,
  secrets: Secrets,
  closedAt: Date,
): ResponseSnapshot => new ResponseEvidence(exchange, error, rules, secrets, closedAt);

class ResponseEvidence implements ResponseSnapshot {
  readonly httpStatus: number | undefined;
  readonly isTruncated: boolean;
  readonly failedPhase: TimeoutPhase | undefined;
  readonly times: PhaseTimes;
  readonly remoteAddress: string | undefined;
  readonly errorCode: string | undefined;
  readonly closedAt: Date;
  readonly #answer: RawAnswer | undefined;
  readonly #error: CheckbackError | undefined;
  readonly #rules: EvidenceRules;
  readonly #secrets: Secrets;
  #body: StoredBody | undefined;

  constructor(exchange: Exchange, error: CheckbackError | undefined, rules: EvidenceRules, secrets: Secrets, closedAt: Date) {
    const { answer } = exchange;
    this.httpStatus = answer?.httpStatus;
    this.isTruncated = answer?.isTruncated ?? false;
    this.failedPhase = exchange.kind === 'failed' ? exchange.phase : undefined;
    this.times = exchange.times;
    this.remoteAddress = exchange.remoteAddress;
    this.errorCode = error?.code;
    this.closedAt = closedAt;
    this.#answer = answer;
    this.#error = error;
    this.#rules = rules;
    this.#secrets = secrets;
  }

  get headers(): string | undefined {
    return this.#answer && storedHeaders(this.#answer.headers, this.#rules, this.#secrets.list);
  }

  get body(): StoredBody | undefined {
    return (this.#body ??= this.#answer && storedBody(this.#answer.body, this.#rules, this.#secrets.list));
  }

  get errorChain(): string | undefined {
    return this.#error && scrub(errorChain(this.#error), this.#secrets.list);
  }
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

/** What of a request must be stored nowhere, its answer included; looked for when it is first asked for. */
export class Secrets {
  readonly #request: PreparedRequest;
  readonly #rules: EvidenceRules;
  #list: readonly string[] | undefined;

  constructor(request: PreparedRequest, rules: EvidenceRules) {
    this.#request = request;
    this.#rules = rules;
  }

  /**
   * The values of headers that are not kept, whole and in their parts (`Bearer x`, `a=b; c="d"`, what `Basic` encodes), where
   * long enough to mean something; the longest first.
   */
  get list(): readonly string[] {
    return (this.#list ??= secretParts([...this.#request.headers].filter(([name]) => !this.#rules.keptHeaders.has(name))));
  }
}

export const secretsOf = (request: PreparedRequest, rules: EvidenceRules): Secrets => new Secrets(request, rules);

const secretParts = (headers: readonly (readonly [string, string])[]): string[] =>
  [...new Set(headers.flatMap(([, value]) => [value, ...value.split(/[\s;,="']+/), ...basicCredentials(value)]))]
    .filter((secret) => secret.length >= 8)
    .sort((a, b) => b.length - a.length);

function basicCredentials(value: string): string[] {
  const encoded = /^basic\s+(\S+)$/i.exec(value)?.[1];
  if (encoded === undefined) return [];
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  return [decoded, decoded.slice(decoded.indexOf(':') + 1)];
}

const scrub = (text: string, secrets: readonly string[]): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
const asLatin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
