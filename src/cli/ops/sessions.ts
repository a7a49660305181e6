import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../shared/clock.ts';

/** A browser that has been here before. */
export interface OpsSession {
  readonly id: string;
  /** Who signed in with the token; `undefined` of a browser that has not. */
  readonly user: string | undefined;
}

/** How long a sign-in lasts. */
export const SESSION_MS = 12 * 3_600_000;
export const COOKIE = 'checkback_ops';

/**
 * Sessions that are kept in the browser's cookie and signed by a key of this process: nothing is kept here, however many
 * come, and a restart ends all of them.
 */
export class Sessions {
  readonly #key = randomBytes(32);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A new session and the value of its cookie. */
  begin(user: string | undefined): { readonly session: OpsSession; readonly cookie: string } {
    const session = { id: randomBytes(18).toString('base64url'), user };
    const name = user === undefined ? '' : Buffer.from(user, 'utf8').toString('base64url');
    const content = `${this.#clock.now() + SESSION_MS}.${session.id}.${name}`;
    return { session, cookie: `${content}.${this.#sign(`session ${content}`)}` };
  }

  /** The session of a cookie header; `undefined` when there is none, or it is over, or it was not signed here. */
  find(cookies: string | undefined): OpsSession | undefined {
    const value = cookies
      ?.split(';')
      .map((pair) => pair.trim())
      .find((pair) => pair.startsWith(`${COOKIE}=`))
      ?.slice(COOKIE.length + 1);
    const [endsAt = '', id = '', name = '', signature = ''] = value?.split('.') ?? [];
    if (!isSame(signature, this.#sign(`session ${endsAt}.${id}.${name}`))) return undefined;
    if (!(Number(endsAt) > this.#clock.now())) return undefined;
    return { id, user: name === '' ? undefined : Buffer.from(name, 'base64url').toString('utf8') };
  }

  /** What a form of this session and user carries, and no other site knows. */
  formToken({ id }: OpsSession, user: string): string {
    return this.#sign(`form ${id} ${user}`);
  }

  #sign(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}

/** Compares in a time that says nothing about where the two differ. */
export const isSame = (given: string, wanted: string): boolean =>
  timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', wanted, 'buffer'));
