import type { EvidenceBody } from '../../../store/mysql-ops-evidence.ts';
import { bodyView } from '../body-view.ts';
import { markup, lines, link, type Markup } from '../html.ts';
import { badge, facts, moment } from '../page.ts';
import { phaseBar } from '../phase-bar.ts';
import { RefusedRequest, requiredNumber } from '../read-form.ts';
import type { View } from '../routes.ts';

/** The evidence of one attempt, request and response side by side, as stored. */
export const showAttempt: View = async ({ fields, backend }) => {
  const found = await backend.attempt(requiredNumber(fields, 'call'), requiredNumber(fields, 'n'));
  if (found === undefined) throw new RefusedRequest(404, 'There is no such attempt.');
  const { call, attempt, request, response } = found;
  const other = (n: number, name: string): Markup | false =>
    n >= 1 && n <= call.attempts && markup` <a href="${link('/attempt', { call: call.id, n })}">${name}</a>`;
  const main = markup`${facts([
    ['Call', call.callName],
    ['Idempotency key', call.idempotencyKey],
    ['Status of the call now', badge(call.status)],
    ['Order', markup`<a href="${link('/story', { id: call.correlationId })}">${call.correlationId}</a>`],
  ])}
    <p>Attempt ${attempt} of ${call.attempts}.${other(attempt - 1, 'The one before')}${other(attempt + 1, 'The one after')}</p>
    <div class="sides">
      <section>
        <h2>Request</h2>
        ${facts([
          ['Opened', moment(request.openedAt)],
          ['To', request.origin],
          ['Line', markup`<code>${request.method} ${request.path}</code>`],
        ])}
        ${headers('request', request.headers)} ${body('request', request.body)}
      </section>
      <section>
        <h2>Response</h2>
        ${
          response === undefined
            ? markup`<p class="empty">Nothing is on record: it is under way, or its worker died. Whether anything was sent is not known.</p>`
            : markup`${facts([
                ['Closed', moment(response.closedAt)],
                ['What it made of the call', badge(response.status)],
                ['HTTP status', response.httpStatus],
                ['Failed in phase', response.failedPhase],
                ['Error', response.errorCode],
                ['From', response.remoteAddress],
                ['Phases', phaseBar(response.times)],
              ])}
              ${errors(response.errorChain)} ${headers('response', response.headers)}
              ${response.isTruncated && markup`<p class="notice bad">Truncated: the answer was longer than what is kept, or broke off.</p>`}
              ${body('response', response.body)}`
        }
      </section>
    </div>`;
  return { title: `Attempt ${attempt} of ${call.callName} ${call.idempotencyKey}`, at: '/find', main };
};

function headers(of: string, text: string | undefined): Markup | undefined {
  if (text === undefined) return undefined;
  return markup`<h3>Headers</h3>
    <pre tabindex="0" aria-label="Headers of the ${of}">${lines(headerLines(text))}</pre>`;
}

/** One a line; the text as stored when it is not the JSON it is meant to be. */
function headerLines(text: string): string {
  try {
    const pairs = JSON.parse(text) as unknown;
    if (!Array.isArray(pairs)) return text;
    return pairs.map((pair) => (Array.isArray(pair) ? pair.map(String).join(': ') : String(pair))).join('\n');
  } catch {
    return text;
  }
}

function errors(chain: string | undefined): Markup | undefined {
  if (chain === undefined) return undefined;
  return markup`<h3>Errors</h3>
    <pre tabindex="0" aria-label="Errors">${lines(errorLines(chain))}</pre>`;
}

function errorLines(text: string): string {
  try {
    const chain = JSON.parse(text) as readonly { readonly name?: string; readonly code?: string; readonly message?: string }[];
    return chain.map(({ name, code, message }) => `${name ?? ''}${code === undefined ? '' : ` ${code}`}: ${message ?? ''}`).join('\n');
  } catch {
    return text;
  }
}

const SAID: Readonly<Record<EvidenceBody['state'], string>> = {
  RAW: 'as it was',
  MASKED: 'with secrets masked',
  WITHHELD: 'not kept, because secrets could not be told apart',
};

const body = (of: string, stored: EvidenceBody | undefined): Markup =>
  stored === undefined
    ? markup`<h3>Body</h3>
        <p class="empty">None.</p>`
    : markup`<h3>Body</h3>
        ${facts([
          ['Stored', SAID[stored.state]],
          ['Raw length', `${stored.rawBytes} bytes`],
          ['SHA-256 of the raw bytes', markup`<code>${stored.sha256}</code>`],
        ])}
        ${stored.state !== 'WITHHELD' && bodyView(`Body of the ${of}`, stored.bytes, { storedBytes: stored.storedBytes })}`;
