import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../shared/clock.ts';
import { decidedBy } from '../decided-by.ts';
import { FailureLimit } from './failure-limit.ts';
import type { OpsRequest, ResolvedOpsOptions } from './ops-options.ts';
import { isSame, type OpsSession } from './sessions.ts';

/** Who is asking. */
export interface Visitor {
  /** Recorded with every action; empty when the operating system has no name for the process's user either. */
  readonly name: string;
  /** Known from a sign-in; otherwise the name is a suggestion that a form may change, as `--by` does. */
  readonly isKnown: boolean;
  /** A program with a token in a header of its own, which no browser sends by itself. */
  readonly isProgram: boolean;
}

/** What became of a question for admission. */
export type Admission =
  | { readonly kind: 'visitor'; readonly visitor: Visitor }
  /** A person may sign in with the token. */
  | { readonly kind: 'sign-in' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'wait'; readonly waitMs: number };

const MAX_NAME = 100;
/** Recorded for programs. */
const PROGRAM = 'ops-token';

/** Admits by the hook, by the token, or on loopback as the user of this process. */
export class Doorkeeper {
  readonly #options: ResolvedOpsOptions;
  readonly #failures: FailureLimit;

  constructor(options: ResolvedOpsOptions, clock: Clock) {
    this.#options = options;
    this.#failures = new FailureLimit(clock);
  }

  /** Rejects with the hook's error. */
  async admit(request: IncomingMessage, session: OpsSession | undefined): Promise<Admission> {
    const { token, authenticate } = this.#options;
    const found = await authenticate?.(requestOf(request));
    if (found !== undefined) return known(nameOf(found.user));
    if (token === undefined) return authenticate === undefined ? known(ownName(), false) : { kind: 'refused' };
    if (session?.user !== undefined) return known(session.user);
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) return { kind: 'sign-in' };
    const tried = this.tryToken(bearer, request);
    if (tried === true) return { kind: 'visitor', visitor: { name: PROGRAM, isKnown: true, isProgram: true } };
    return tried === false ? { kind: 'refused' } : { kind: 'wait', waitMs: tried };
  }

  /** Whether it is the token; milliseconds to wait when this address was wrong too often. */
  tryToken(given: string, { socket }: IncomingMessage): boolean | number {
    const address = socket.remoteAddress ?? '';
    const waitMs = this.#failures.waitMs(address);
    if (waitMs > 0) return waitMs;
    const isRight = this.#options.token !== undefined && isSame(given, this.#options.token);
    if (!isRight) this.#failures.failed(address);
    return isRight;
  }
}

/** A name to be recorded: throws `RangeError` for none, one that is too long, or one with control characters. */
export function nameOf(text: string): string {
  const name = text.trim();
  if (name === '' || name.length > MAX_NAME || /\p{Cc}/u.test(name))
    throw new RangeError(`the name of who decides must be 1 to ${MAX_NAME} characters without control characters`);
  return name;
}

const known = (name: string, isKnown = true): Admission => ({ kind: 'visitor', visitor: { name, isKnown, isProgram: false } });

const ownName = (): string => {
  try {
    return decidedBy(undefined);
  } catch {
    return '';
  }
};

const requestOf = ({ method = '', url = '', headers, socket }: IncomingMessage): OpsRequest => ({
  method,
  url,
  headers,
  remoteAddress: socket.remoteAddress,
});
