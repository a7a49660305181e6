import { ConfigurationError } from '../../../errors.ts';
import { jsonArgument } from '../../json-argument.ts';
import { ago } from '../../status/render-status.ts';
import { markup, link } from '../html.ts';
import { badge, choices, decisionFields, facts, form, moment, nextPage, type PageContent, table } from '../page.ts';
import { oneOf, RefusedRequest, required } from '../read-form.ts';
import type { Action, Ask, View } from '../routes.ts';
import { cursorOf } from '../time-cursor.ts';

const PAGE = 50;
const STATES = ['REVIEW', 'DUE', 'RETRY'] as const;

/** Calls of unknown outcome, the oldest first. */
export const listUnknown: View = async ({ fields, backend, now }) => {
  const state = oneOf(fields, 'state', STATES);
  const found = await backend.lists.unknown(state, { after: cursorOf(fields), limit: PAGE + 1 });
  const calls = found.slice(0, PAGE);
  const last = calls.at(-1);
  const next = found.length > PAGE && last ? link('/unknown', { state, at: last.unknownSince.getTime(), id: last.id }) : undefined;
  const main = [
    choices('State of the status check', '/unknown', 'state', STATES, state),
    markup`<p>${MEANING[state]}</p>`,
    table(
      `${state === 'REVIEW' ? 'Before a person' : 'Asked after by the workers'}, unknown longest first`,
      ['Call', 'Idempotency key', 'Unknown for', 'Asked', 'Last said', 'Next question', 'Order'],
      calls.map((one) => [
        one.callName,
        markup`<a href="${link('/unknown/call', { call: one.callName, key: one.idempotencyKey })}">${one.idempotencyKey}</a>`,
        ago(now - one.unknownSince.getTime()),
        one.checks,
        [one.lastSaid, one.lastErrorCode].filter((said) => said !== undefined).join(' ') || '–',
        state === 'REVIEW' ? '–' : moment(one.nextCheckAt),
        markup`<a href="${link('/story', { id: one.correlationId })}">${one.correlationId}</a>`,
      ]),
      'There is none.',
    ),
    nextPage(next),
  ];
  return { title: 'Unknown outcomes', at: '/unknown', main };
};

const MEANING: Readonly<Record<(typeof STATES)[number], string>> = {
  REVIEW: 'No status check could settle these: find out what became of them, and say so.',
  DUE: 'The institution is asked what became of these.',
  RETRY: 'The institution never got these: they are sent again under the same key.',
};

export const showUnknown: View = (ask) => show(ask, required(ask.fields, 'call'), required(ask.fields, 'key'));

async function show({ backend, viewer, now }: Ask, callName: string, key: string): Promise<PageContent> {
  const check = await backend.check(callName, key);
  if (check === undefined) throw new RefusedRequest(404, 'There is no status check on record for this call and key.');
  const fields = [markup`<input type="hidden" name="call" value="${callName}" /><input type="hidden" name="key" value="${key}" />`];
  const main = [
    facts([
      ['Call', callName],
      ['Idempotency key', key],
      ['Listener', check.listener],
      ['State', badge(check.state)],
      ['Unknown since', markup`${moment(check.unknownSince)} (${ago(now - check.unknownSince.getTime())})`],
      ['Asked', `${check.checks} times`],
      ['Last said', [check.lastSaid, check.lastErrorCode].filter((said) => said !== undefined).join(' ')],
      ['Outcome', check.outcome && badge(check.outcome)],
      ['Decided by', check.decidedBy],
      ['Reason', check.decisionReason],
      ['Ended', check.doneAt && moment(check.doneAt)],
      ['Order', markup`<a href="${link('/story', { id: check.correlationId })}">${check.correlationId}</a>`],
    ]),
    check.state !== 'DONE' &&
      markup`<h2>Decide by hand</h2>
        <p>The call's row moves and onSuccess or onFail runs, in one transaction and once.</p>
        ${form(
          '/unknown/decide',
          viewer,
          markup`${fields}
            <fieldset>
              <legend>What became of it</legend>
              <p>
                <input type="radio" id="to-success" name="to" value="SUCCESS" required /><label for="to-success"
                  >SUCCESS: the institution has it</label
                >
              </p>
              <p><input type="radio" id="to-fail" name="to" value="FAIL" required /><label for="to-fail">FAIL: it never will</label></p>
            </fieldset>
            <p>
              <label for="response">What the institution would have answered, as JSON; may be left empty</label>
              <textarea id="response" name="response" rows="2" maxlength="10000"></textarea>
            </p>
            ${decisionFields('decide', viewer)}
            <p><button>Record the decision</button></p>`,
        )}`,
  ];
  return { title: `${callName} ${key}`, at: '/unknown', main };
}

export const actOnUnknown: Action = async (act) => {
  const { fields, backend, decision } = act;
  const callName = required(fields, 'call');
  const idempotencyKey = required(fields, 'key');
  required(fields, 'to', 'What became of it');
  const to = oneOf(fields, 'to', ['SUCCESS', 'FAIL']);
  const notice = await backend.actions.decideUnknown({ callName, idempotencyKey, to, response: responseOf(fields) }, decision());
  return { ...(await show(act, callName, idempotencyKey)), notice };
};

function responseOf(fields: URLSearchParams): unknown {
  const text = fields.get('response')?.trim() ?? '';
  if (text === '') return undefined;
  try {
    return jsonArgument(text);
  } catch (error) {
    if (error instanceof ConfigurationError) throw new RefusedRequest(400, 'The answer must be JSON.');
    throw error;
  }
}
