import { DEAD_LETTER_STATES } from '../../../dead-letter/dead-letter-state.ts';
import { type DeadLetter, isTopicUnknown } from '../../../dead-letter/dead-letter.ts';
import { MESSAGE_PROPERTY } from '../../../broker/message.ts';
import { bodyView } from '../body-view.ts';
import { markup, link, type Markup } from '../html.ts';
import type { ActionResult } from '../ops-backend.ts';
import { badge, choices, decisionFields, facts, form, moment, nextPage, type PageContent, table, type Viewer, words } from '../page.ts';
import { oneOf, RefusedRequest, requiredNumber, rowNumber } from '../read-form.ts';
import type { Action, Ask, View } from '../routes.ts';

const PAGE = 50;

/** Dead letters of one state, by number. */
export const listLetters: View = async ({ fields, backend }) => {
  const state = oneOf(fields, 'state', DEAD_LETTER_STATES);
  const found = await backend.letters.list({ state }, { afterId: rowNumber(fields, 'after'), limit: PAGE + 1 });
  const letters = found.slice(0, PAGE);
  const next = found.length > PAGE ? link('/dead-letters', { state, after: letters.at(-1)!.id }) : undefined;
  const main = [
    choices('State of the letters', '/dead-letters', 'state', DEAD_LETTER_STATES, state),
    table(
      `Dead letters, ${words(state)}`,
      ['Letter', 'Died', 'Of', 'Topic and listener', 'Deliveries', 'Key', 'Why'],
      letters.map((one) => [
        markup`<a href="${link('/dead-letters/letter', { id: one.id })}">${one.id}</a>`,
        moment(one.lastFailedAt),
        words(one.reason),
        `${one.topic} ${one.listener ?? ''}`,
        one.deliveryAttempts,
        one.idempotencyKey ?? one.keys[0] ?? '–',
        one.reasonText.slice(0, 200),
      ]),
      'There is none.',
    ),
    nextPage(next),
  ];
  return { title: 'Dead letters', at: '/dead-letters', main };
};

export const showLetter: View = (ask) => show(ask, requiredNumber(ask.fields, 'id'));

async function show({ backend, viewer, fields }: Ask, id: number): Promise<PageContent> {
  const letter = await backend.letters.find(id);
  if (letter === undefined) throw new RefusedRequest(404, `There is no dead letter ${id}.`);
  const history = await backend.letters.history(id);
  const body = fields.get('body') === '1' ? await backend.letters.body(id) : undefined;
  const main = [
    factsOf(letter),
    markup`<h2>Errors</h2>
      ${table(
        'From the outermost to the innermost',
        ['Error', 'Code', 'Message'],
        letter.errorChain.map(({ name, code, message }) => [name, code, message]),
        'None is on record.',
      )}
      <h2>History</h2>
      ${table(
        'What was done about it',
        ['When', 'What', 'Who', 'Why'],
        history.map(({ at, action, by, why }) => [moment(at), words(action), by, why]),
        'Nothing is on record.',
      )}`,
    actions(letter, viewer),
    markup`<h2>Message</h2>
      ${table(
        'Properties',
        ['Name', 'Value'],
        Object.entries(letter.properties).map(([name, value]) => [name, value]),
        'It has no properties.',
      )}
      ${
        body === undefined
          ? markup`<p>
              <a href="${link('/dead-letters/letter', { id, body: 1 })}">Show the body</a>, which is as it came and may hold secrets.
            </p>`
          : bodyView('Body of the message', body, { storedBytes: body.byteLength })
      }`,
  ];
  return { title: `Dead letter ${id}`, at: '/dead-letters', main };
}

function factsOf(letter: DeadLetter): Markup {
  const { standing, properties, messageId } = letter;
  const correlation = properties[MESSAGE_PROPERTY.correlationId] ?? messageId;
  const isDecided = 'decidedBy' in standing;
  return facts([
    ['State', badge(standing.state)],
    ['Decided by', isDecided && markup`${standing.decidedBy} at ${moment(standing.decidedAt)}`],
    ['Reason of the decision', isDecided && standing.decisionReason],
    ['Lease', standing.state === 'REPLAYING' && `${Math.max(0, Math.ceil(standing.leaseMs / 1_000))} s more`],
    ['Topic', letter.topic],
    ['Group', letter.group],
    ['Listener', letter.listener],
    ['Call', letter.callName],
    ['Idempotency key', letter.idempotencyKey],
    ['Order', markup`<a href="${link('/story', { id: correlation.slice(0, 128) })}">${correlation}</a>`],
    ['Message id', messageId],
    ['Tag', letter.tag],
    ['Keys', letter.keys.join(' ')],
    ['Born', letter.bornAt && moment(letter.bornAt)],
    ['Died of', `${words(letter.reason)}: ${letter.reasonText}`],
    ['Deliveries, deaths, replays', `${letter.deliveryAttempts}, ${letter.deaths}, ${letter.replays}`],
    ['First failure', moment(letter.firstFailedAt)],
    ['Last failure', moment(letter.lastFailedAt)],
    ['Body', `${letter.bodyBytes} bytes, SHA-256 ${letter.bodySha256}`],
  ]);
}

function actions(letter: DeadLetter, viewer: Viewer): Markup | undefined {
  const { state } = letter.standing;
  if (state !== 'OPEN' && state !== 'REPLAYING') return undefined;
  const id = markup`<input type="hidden" name="id" value="${letter.id}" />`;
  const one = (name: 'replay' | 'discard' | 'resolve', title: string, more: Markup | undefined): Markup =>
    markup`<details>
      <summary>${title}</summary>
      ${form(`/dead-letters/${name}`, viewer, [id, more, decisionFields(name, viewer), markup`<p><button>${title}</button></p>`])}
    </details>`;
  return markup`<h2>Decide</h2>
    ${one(
      'replay',
      'Replay',
      markup`<p>
          Sent to its topic again, with the same keys and body. What became of its call is looked up first, and the institution asked where
          nobody knows.
        </p>
        ${isTopicUnknown(letter) && markup`<p><label for="topic">Topic it came from; the broker's own queue does not say</label> <input id="topic" name="topic" required maxlength="127" /></p>`}
        <p>
          <input type="checkbox" id="force" name="force" value="1" /><label for="force"
            >Also where the call is on record as done, or nobody knows what became of it</label
          >
        </p>`,
    )}
    ${one('resolve', 'Resolve', markup`<p>The business of the message is done without it.</p>`)}
    ${one('discard', 'Discard', markup`<p>The message is given up for good.</p>`)}`;
}

export const actOnLetter =
  (name: 'replay' | 'discard' | 'resolve'): Action =>
  async (act) => {
    const { fields, backend, decision } = act;
    const id = requiredNumber(fields, 'id');
    const does = (): Promise<ActionResult> => {
      if (name !== 'replay') return backend.actions.decideLetter(id, name === 'discard' ? 'DISCARDED' : 'RESOLVED', decision());
      const topic = fields.get('topic')?.trim() || undefined;
      return backend.actions.replay({ id, force: fields.get('force') === '1', topic }, decision());
    };
    const notice = await does();
    return { ...(await show(act, id)), notice };
  };
