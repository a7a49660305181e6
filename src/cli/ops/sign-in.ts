import type { Answer } from './answer.ts';
import { markup, type Markup } from './html.ts';
import type { ResolvedOpsOptions } from './ops-options.ts';
import { page } from './page.ts';
import { COOKIE, SESSION_MS } from './sessions.ts';
import { nameOf } from './visitor.ts';

/** Where people say the token and who they are. */
export const signInPage = (formToken: string, to: string, problem?: string): Markup =>
  page({
    title: 'Sign in',
    notice: problem === undefined ? undefined : { text: problem, isDone: false },
    main: markup`<form method="post" action="/sign-in">
      <input type="hidden" name="form" value="${formToken}" /><input type="hidden" name="to" value="${ownPath(to)}" />
      <p>
        <label for="by">Your name, recorded with what you decide</label>
        <input id="by" name="by" maxlength="100" required autocomplete="username" />
      </p>
      <p>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" maxlength="512" required autocomplete="current-password" />
      </p>
      <p><button>Sign in</button></p>
    </form>`,
  });

/** A path of this page; anything else leads to the overview. */
export const ownPath = (to: string): string => {
  const url = URL.canParse(to, 'http://page') ? new URL(to, 'http://page') : undefined;
  // A backslash, or two slashes, begin the name of another host.
  return url?.origin === 'http://page' && /^\/(?![/\\])/.test(to) ? `${url.pathname}${url.search}` : '/';
};

interface SignIn {
  /** Whether it is the token; milliseconds to wait after too many wrong ones. */
  readonly tryToken: (token: string) => boolean | number;
  readonly welcome: (user: string, to: string) => Answer;
  readonly again: (problem: string, status: number, headers?: Answer['headers']) => Answer;
}

export function signIn(fields: URLSearchParams, { tryToken, welcome, again }: SignIn): Answer {
  let user: string;
  try {
    user = nameOf(fields.get('by') ?? '');
  } catch {
    return again('Say who you are, in 1 to 100 characters.', 400);
  }
  const tried = tryToken(fields.get('token') ?? '');
  if (tried === true) return welcome(user, ownPath(fields.get('to') ?? '/'));
  if (tried === false) return again('This is not the token.', 401);
  const seconds = Math.ceil(tried / 1_000);
  return again(`Too many wrong tokens: try again in ${seconds} s.`, 429, { 'retry-after': String(seconds) });
}

const secure = ({ publicOrigin }: ResolvedOpsOptions): string => (publicOrigin?.startsWith('https:') ? '; Secure' : '');

export const cookieHeader = (value: string, options: ResolvedOpsOptions): string =>
  `${COOKIE}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${SESSION_MS / 1_000}${secure(options)}`;

export const clearedCookie = (options: ResolvedOpsOptions): string =>
  `${COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0${secure(options)}`;
