import type { OpsBackend, OpsDecision } from './ops-backend.ts';
import type { PageContent, Viewer } from './page.ts';
import { showAttempt } from './views/attempt.ts';
import { actOnBreak, listBreaks, showBreak } from './views/breaks.ts';
import { actOnLetter, listLetters, showLetter } from './views/dead-letters.ts';
import { showFind } from './views/find.ts';
import { showOverview } from './views/overview.ts';
import { listRuns, showRun } from './views/reconciliation.ts';
import { actOnSaga, listSagas, showSaga } from './views/sagas.ts';
import { showStory } from './views/story.ts';
import { actOnUnknown, listUnknown, showUnknown } from './views/unknown.ts';

/** What a view is given. `fields` are the parameters of the address. */
export interface Ask {
  readonly fields: URLSearchParams;
  readonly backend: OpsBackend;
  readonly viewer: Viewer;
  readonly now: number;
}

/** What an action is given. `fields` are those of the form. */
export interface Act extends Ask {
  readonly decision: () => OpsDecision;
}

/** Reads only. Throws `RefusedRequest` for parameters that mean nothing. */
export type View = (ask: Ask) => Promise<PageContent>;
/** Does one thing and shows what it was done to, with what came of it. */
export type Action = (act: Act) => Promise<PageContent>;

export const VIEWS: ReadonlyMap<string, View> = new Map([
  ['/', showOverview],
  ['/find', showFind],
  ['/story', showStory],
  ['/attempt', showAttempt],
  ['/unknown', listUnknown],
  ['/unknown/call', showUnknown],
  ['/dead-letters', listLetters],
  ['/dead-letters/letter', showLetter],
  ['/sagas', listSagas],
  ['/sagas/saga', showSaga],
  ['/reconciliation', listRuns],
  ['/reconciliation/run', showRun],
  ['/breaks', listBreaks],
  ['/breaks/break', showBreak],
]);

export const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ['/unknown/decide', actOnUnknown],
  ['/dead-letters/replay', actOnLetter('replay')],
  ['/dead-letters/discard', actOnLetter('discard')],
  ['/dead-letters/resolve', actOnLetter('resolve')],
  ['/sagas/retry', actOnSaga('retry')],
  ['/sagas/abandon', actOnSaga('abandon')],
  ['/breaks/resolve', actOnBreak('RESOLVED')],
  ['/breaks/accept', actOnBreak('ACCEPTED')],
]);
