import { type Content, markup, link, type Markup } from './html.ts';
import type { Visitor } from './visitor.ts';

/** Who looks at a page, and what its forms carry. */
export interface Viewer {
  readonly visitor: Visitor;
  readonly formToken: string;
  readonly canSignOut: boolean;
}

export interface PageContent {
  readonly title: string;
  readonly main: Content;
  /** Path of the entry of the menu it belongs to. */
  readonly at?: string;
  /** Milliseconds after which the script reads the page again. */
  readonly refreshMs?: number;
  /** Says what an action has done. */
  readonly notice?: { readonly text: string; readonly isDone: boolean } | undefined;
}

const MENU = [
  ['/', 'Overview'],
  ['/find', 'Find'],
  ['/unknown', 'Unknown'],
  ['/dead-letters', 'Dead letters'],
  ['/sagas', 'Sagas'],
  ['/reconciliation', 'Reconciliation'],
  ['/breaks', 'Breaks'],
] as const;

/** A whole page. Without a viewer it has no menu. */
export const page = ({ title, main, at, refreshMs, notice }: PageContent, viewer?: Viewer): Markup =>
  markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · checkback</title>
        <link rel="stylesheet" href="/assets/ops.css" />
        <script src="/assets/ops.js" defer></script>
      </head>
      <body>
        <a class="skip" href="#main">To the content</a>
        ${viewer && header(viewer, at)}
        <main id="main" tabindex="-1" ${refreshMs === undefined ? '' : markup` data-refresh-ms="${refreshMs}"`}>
          <h1>${title}</h1>
          ${notice && markup`<p class="notice ${notice.isDone ? 'good' : 'bad'}" role="status">${notice.text}</p>`} ${main}
        </main>
      </body>
    </html> `;

const header = (viewer: Viewer, at: string | undefined): Markup =>
  markup`<header>
    <nav aria-label="Views">
      <ul>
        ${MENU.map(([path, name]) => markup`<li><a href="${path}" ${path === at && markup` aria-current="page"`}>${name}</a></li>`)}
      </ul>
    </nav>
    <p class="who">
      ${viewer.visitor.name === '' ? 'nobody known' : viewer.visitor.name}${
        viewer.canSignOut && markup` ${form('/sign-out', viewer, markup`<button class="plain">Sign out</button>`)}`
      }
    </p>
  </header>`;

/** A form that acts; carries what no other site knows. */
export const form = (action: `/${string}`, { formToken }: Viewer, fields: Content): Markup =>
  markup`<form method="post" action="${action}"><input type="hidden" name="form" value="${formToken}" />${fields}</form>`;

/** The fields of a decision: why, and who where that is not known. `id` tells several forms of a page apart. */
export const decisionFields = (id: string, { visitor }: Viewer): Markup =>
  markup` <p>
      <label for="${id}-reason">Reason, for the record</label>
      <textarea id="${id}-reason" name="reason" rows="2" maxlength="500" required></textarea>
    </p>
    ${
      !visitor.isKnown &&
      markup`<p>
        <label for="${id}-by">Who decides</label>
        <input id="${id}-by" name="by" value="${visitor.name}" maxlength="100" required autocomplete="off" />
      </p>`
    }`;

/** A table whose cells know their column, so that it can be a list of cards where there is little room. */
export const table = (caption: string, heads: readonly string[], rows: readonly (readonly Content[])[], empty: string): Markup =>
  rows.length === 0
    ? markup`<p class="empty">${empty}</p>`
    : markup`<table>
        <caption>
          ${caption}
        </caption>
        <thead>
          <tr>
            ${heads.map((head) => markup`<th scope="col">${head}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (cells) =>
              markup`<tr>
                ${cells.map((cell, nth) => markup`<td data-label="${heads[nth]}">${cell}</td>`)}
              </tr> `,
          )}
        </tbody>
      </table>`;

/** Names and values; those without a value are left out. */
export const facts = (of: readonly (readonly [string, Content])[]): Markup =>
  markup`<dl class="facts">
    ${of
      .filter(([, value]) => value !== undefined && value !== '' && value !== false)
      .map(
        ([name, value]) =>
          markup`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
  </dl>`;

/** Choices of a list, the chosen one marked. */
export const choices = (label: string, path: `/${string}`, name: string, values: readonly string[], chosen: string): Markup =>
  markup`<nav class="choices" aria-label="${label}">
    <ul>
      ${values.map(
        (value) =>
          markup`<li><a href="${link(path, { [name]: value })}" ${value === chosen && markup` aria-current="true"`}>${words(value)}</a></li>`,
      )}
    </ul>
  </nav>`;

export const nextPage = (href: string | undefined): Markup | undefined =>
  href === undefined ? undefined : markup`<p><a class="next" href="${href}" rel="next">Next page</a></p>`;

export const moment = (at: Date): Markup =>
  markup`<time datetime="${at.toISOString()}">${at.toISOString().slice(0, 23).replace('T', ' ')}</time>`;

const KINDS: Readonly<Record<string, string>> = {
  SUCCESS: 'good',
  DONE: 'good',
  COMPLETED: 'good',
  RESOLVED: 'good',
  REPLAYED: 'good',
  SENT: 'good',
  COMMIT: 'good',
  FAIL: 'bad',
  FAILED: 'bad',
  OPEN: 'warn',
  UNKNOWN: 'warn',
  PARKED: 'bad',
  REVIEW: 'bad',
  ABANDONED: 'bad',
};

/** A status in a frame; its colour says nothing that the word does not. */
export const badge = (status: string): Markup => markup`<span class="badge ${KINDS[status] ?? 'plain'}">${status}</span>`;

export const words = (name: string): string => name.toLowerCase().replaceAll('_', ' ');
