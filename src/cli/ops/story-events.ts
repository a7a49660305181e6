import { VERDICTS, type Verdict } from '../../reconciliation/verdict.ts';
import type { OpsStory, StoryAttempt } from '../../store/ops-story.ts';
import { type Content, markup, link } from './html.ts';
import type { BusinessRow } from './ops-backend.ts';
import { badge, words } from './page.ts';
import { phaseBar } from './phase-bar.ts';

/** Where on the time line something belongs. */
export const LANES = ['publication', 'call', 'status check', 'saga', 'dead letter', 'reconciliation'] as const;
export type Lane = (typeof LANES)[number];

/** One thing that happened to an order. */
export interface StoryEvent {
  readonly at: Date;
  readonly lane: Lane;
  readonly text: Content;
  /** Whether somebody ought to look. */
  readonly isBad?: boolean;
}

type Story = OpsStory & { readonly rows: readonly BusinessRow[] };

/** All that the tables say, in the order in which it happened. */
export function storyEvents(story: Story): StoryEvent[] {
  const events = [...publication(story), ...calls(story), ...checks(story), ...sagas(story), ...letters(story), ...reconciliation(story)];
  return events.sort((a, b) => a.at.getTime() - b.at.getTime());
}

const by = (who: string, why: string | undefined): Content => markup` by ${who}${why !== undefined && markup`: <q>${why}</q>`}`;

function publication({ rows, outbox, rescues, handled }: Story): StoryEvent[] {
  return [
    ...rows.flatMap(({ writtenAt, source, key, transactionId }): StoryEvent[] =>
      writtenAt === undefined
        ? []
        : [
            {
              at: writtenAt,
              lane: 'publication',
              text: markup`row <code>${key}</code> of ${source}
                written${transactionId !== undefined && markup` by transaction <code>${transactionId}</code>: committed, so its message is to be delivered`}`,
            },
          ],
    ),
    ...outbox.flatMap((row): StoryEvent[] => [
      {
        at: row.createdAt,
        lane: 'publication',
        text: markup`message ${row.id} for ${row.topic} written to the outbox by transaction <code>${row.transactionId}</code>`,
      },
      ...(row.state === 'WAITING'
        ? []
        : [
            {
              at: row.updatedAt,
              lane: 'publication' as const,
              isBad: row.state === 'PARKED',
              text: markup`outbox message ${row.id} ${badge(row.state)} after ${row.attempts}
              attempts${row.lastError !== undefined && markup`: ${row.lastError}`}${row.decidedBy !== undefined && markup`, ${row.decidedBy}`}`,
            },
          ]),
    ]),
    ...rescues.map(({ at, topic, messageId, by: who }): StoryEvent => ({
      at,
      lane: 'publication',
      text: markup`half message <code>${messageId}</code>, which the broker had parked, sent again to ${topic}${by(who, undefined)}`,
    })),
    ...handled.map(({ at, listener, idempotencyKey }): StoryEvent => ({
      at,
      lane: 'call',
      text: markup`listener ${listener} has done its work for key <code>${idempotencyKey}</code>`,
    })),
  ];
}

function calls({ calls: all, attempts }: Story): StoryEvent[] {
  return all.flatMap((call): StoryEvent[] => {
    const name = markup`${call.callName} <code>${call.idempotencyKey}</code>`;
    const own = attempts.filter(({ callId }) => callId === call.id);
    return [
      { at: call.createdAt, lane: 'call', text: markup`delivered: call ${name} begun` },
      ...own.flatMap((one) => attemptEvents(one, name)),
      ...(call.status === 'UNKNOWN' || call.status === 'PENDING'
        ? []
        : [
            {
              at: call.updatedAt,
              lane: 'call' as const,
              isBad: call.status === 'FAIL',
              text: markup`call ${name} is ${badge(call.status)}`,
            },
          ]),
    ];
  });
}

function attemptEvents({ callId, attempt, method, path, origin, openedAt, response }: StoryAttempt, name: Content): StoryEvent[] {
  const shown = markup`<a href="${link('/attempt', { call: callId, n: attempt })}">attempt ${attempt}</a> of ${name}`;
  const opened = { at: openedAt, lane: 'call' as const, text: markup`${shown}: <code>${method} ${path}</code> to ${origin}` };
  if (response === undefined)
    return [{ ...opened, isBad: true, text: markup`${opened.text}; nothing is on record of its answer: under way, or its worker died` }];
  const { status, httpStatus, failedPhase, errorCode, times, closedAt } = response;
  return [
    opened,
    {
      at: closedAt,
      lane: 'call',
      isBad: status !== 'SUCCESS',
      text: markup`${shown} ended:
      ${badge(status)}${httpStatus !== undefined && markup` HTTP ${httpStatus}`}${errorCode !== undefined && markup` ${errorCode}`}${failedPhase !== undefined && markup` in phase ${failedPhase}`}
      ${phaseBar(times)}`,
    },
  ];
}

function checks({ checks: all }: Story): StoryEvent[] {
  return all.flatMap((check): StoryEvent[] => {
    const name = markup`<a href="${link('/unknown/call', { call: check.callName, key: check.idempotencyKey })}"
      >${check.callName} ${check.idempotencyKey}</a
    >`;
    const asked = markup`asked ${check.checks}
    times${check.lastSaid !== undefined && markup`, last said ${check.lastSaid}`}${check.lastErrorCode !== undefined && markup` ${check.lastErrorCode}`}`;
    return [
      { at: check.unknownSince, lane: 'status check', isBad: true, text: markup`outcome of ${name} became unknown` },
      check.doneAt === undefined
        ? {
            at: check.nextCheckAt,
            lane: 'status check',
            isBad: check.state === 'REVIEW',
            text: markup`${name} ${badge(check.state)} ${asked}`,
          }
        : {
            at: check.doneAt,
            lane: 'status check',
            text: markup`${name} settled: ${badge(check.outcome ?? 'DONE')}
            ${asked}${check.decidedBy !== undefined && by(check.decidedBy, check.decisionReason)}`,
          },
    ];
  });
}

function sagas({ sagas: all }: Story): StoryEvent[] {
  return all.flatMap((saga): StoryEvent[] => {
    const name = markup`<a href="${link('/sagas/saga', { id: saga.id })}">saga ${saga.id}</a>`;
    return [
      { at: saga.createdAt, lane: 'saga', text: markup`${name} begun: ${saga.saga} v${saga.version}` },
      ...saga.steps.map((step): StoryEvent => ({
        at: step.updatedAt,
        lane: 'saga',
        isBad: step.status !== 'DONE',
        text: markup`${step.direction} of ${step.name} ${badge(step.status)}, begun ${step.attempts}
        times${step.error !== undefined && markup`: ${step.error}`}`,
      })),
      ...saga.decisions.map(({ at, kind, by: who, why }): StoryEvent => ({
        at,
        lane: 'saga',
        text: markup`${name}: ${kind}${by(who, why)}`,
      })),
      ...(saga.endedAt === undefined
        ? []
        : [{ at: saga.endedAt, lane: 'saga' as const, text: markup`${name} ended: ${badge(saga.status)}` }]),
    ];
  });
}

function letters({ letters: all }: Story): StoryEvent[] {
  return all.flatMap((letter) =>
    letter.history.map(({ at, action, by: who, why }): StoryEvent => ({
      at,
      lane: 'dead letter',
      isBad: action === 'KEPT' || action === 'DIED_AGAIN',
      text: markup`<a href="${link('/dead-letters/letter', { id: letter.id })}">dead letter ${letter.id}</a> of ${letter.topic}
        ${words(action)}${by(who, why)}`,
    })),
  );
}

function reconciliation({ items, breaks }: Story): StoryEvent[] {
  return [
    ...items.map(({ at, runId, callName, idempotencyKey, verdict, why }): StoryEvent => ({
      at,
      lane: 'reconciliation',
      text: markup`<a href="${link('/reconciliation/run', { id: runId })}">run ${runId}</a>, ${callName} <code>${idempotencyKey}</code>:
        ${verdict === undefined ? 'looked at' : (VERDICTS[verdict as Verdict]?.label ?? verdict)}${why !== undefined && markup` (${why})`}`,
    })),
    ...breaks.flatMap((one) =>
      one.history.map(({ at, action, by: who, why }): StoryEvent => ({
        at,
        lane: 'reconciliation',
        isBad: action === 'FOUND' || action === 'REOPENED',
        text: markup`<a href="${link('/breaks/break', { id: one.id })}">break ${one.id}</a>, ${words(one.kind)} in ${one.statement} of
          ${one.day}: ${words(action)}${by(who, why)}`,
      })),
    ),
  ];
}
