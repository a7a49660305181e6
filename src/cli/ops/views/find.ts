import { CALL_STATUSES } from '../../../gateway/call-status.ts';
import type { OpsCall } from '../../../store/mysql-ops-search.ts';
import { markup, link, type Markup } from '../html.ts';
import { badge, moment, nextPage, table } from '../page.ts';
import { oneOf, rowNumber } from '../read-form.ts';
import type { View } from '../routes.ts';

const PAGE = 50;

/** Finds orders by any of their keys, and calls by name and status. */
export const showFind: View = async ({ fields, backend }) => {
  const wanted = fields.get('q')?.trim().slice(0, 200) ?? '';
  const callName = fields.get('call')?.trim() ?? '';
  const status = oneOf(fields, 'status', ['UNKNOWN', ...CALL_STATUSES.filter((one) => one !== 'UNKNOWN')]);
  const names = await backend.search.callNames();
  const form = markup`<form method="get" action="/find" role="search" class="find">
      <p>
        <label for="q">Correlation id, order or idempotency key</label>
        <input id="q" name="q" value="${wanted}" maxlength="200" autocomplete="off" />
      </p>
      <p><button>Find the order</button></p>
    </form>
    <form method="get" action="/find" class="find">
      <p>
        <label for="call">Call</label>
        <select id="call" name="call">
          ${names.map((name) => markup`<option${name === callName && markup` selected`}>${name}</option>`)}
        </select>
      </p>
      <p>
        <label for="status">Status</label>
        <select id="status" name="status">
          ${CALL_STATUSES.map((one) => markup`<option${one === status && markup` selected`}>${one}</option>`)}
        </select>
      </p>
      <p><button>List the calls</button></p>
    </form>`;
  if (wanted !== '') return { title: 'Find', at: '/find', main: [form, await byKeys(wanted, backend)] };
  if (callName === '') return { title: 'Find', at: '/find', main: form };
  const page = { before: rowNumber(fields, 'before'), limit: PAGE + 1 };
  const found = await backend.search.byNameAndStatus({ callName, status }, page);
  const calls = found.slice(0, PAGE);
  const next = found.length > PAGE ? link('/find', { call: callName, status, before: calls.at(-1)!.id }) : undefined;
  return { title: 'Find', at: '/find', main: [form, callTable(`${callName}, ${status}, newest first`, calls), nextPage(next)] };
};

async function byKeys(wanted: string, backend: Parameters<View>[0]['backend']): Promise<Markup> {
  const [story, ofKey] = await Promise.all([backend.story(wanted), backend.search.byKey(wanted)]);
  const isKnown = [story.calls, story.checks, story.sagas, story.letters, story.outbox, story.rows, story.markers].some(
    ({ length }) => length > 0,
  );
  const ids = new Set([
    ...(isKnown ? [wanted] : []),
    ...ofKey.map(({ correlationId }) => correlationId),
    ...story.rows.flatMap(({ transactionId }) => transactionId ?? []),
  ]);
  if (ids.size === 0) return markup`<p class="empty">Nothing is on record under ${wanted}.</p>`;
  return markup`<h2>Stories</h2>
    <ul>
      ${[...ids].map((id) => markup`<li><a href="${link('/story', { id })}">${id}</a></li>`)}
    </ul>
    ${ofKey.length > 0 && callTable('Calls under this idempotency key', ofKey)}`;
}

/** Calls, each with the way to its order. */
const callTable = (caption: string, calls: readonly OpsCall[]): Markup =>
  table(
    caption,
    ['Call', 'Idempotency key', 'Status', 'Attempts', 'Last answer', 'Changed', 'Order'],
    calls.map(({ callName, idempotencyKey, status, attempts, httpStatus, errorCode, updatedAt, correlationId }) => [
      callName,
      idempotencyKey,
      badge(status),
      attempts,
      [httpStatus, errorCode].filter((one) => one !== undefined).join(' ') || '–',
      moment(updatedAt),
      markup`<a href="${link('/story', { id: correlationId })}">${correlationId}</a>`,
    ]),
    'No call is like that.',
  );
