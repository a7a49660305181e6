import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { CheckbackError, ConfigurationError } from '../../errors.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/error-message.ts';
import type { Logger } from '../../shared/logger.ts';
import { decidedBy } from '../decided-by.ts';
import { type Answer, asPage, asText, send } from './answer.ts';
import { markup } from './html.ts';
import type { OpsBackend } from './ops-backend.ts';
import type { ResolvedOpsOptions } from './ops-options.ts';
import { page, type PageContent, type Viewer } from './page.ts';
import { readForm, reasonOf, RefusedRequest } from './read-form.ts';
import { ACTIONS, VIEWS } from './routes.ts';
import { isOurHost, isSameOrigin } from './same-origin.ts';
import { isSame, type OpsSession, Sessions } from './sessions.ts';
import { clearedCookie, cookieHeader, signIn, signInPage } from './sign-in.ts';
import { SCRIPT, STYLESHEET } from './stylesheet.ts';
import { Doorkeeper, nameOf, type Visitor } from './visitor.ts';

export interface OpsServerOptions {
  readonly backend: OpsBackend;
  readonly options: ResolvedOpsOptions;
  /** 0 takes a free one. */
  readonly port: number;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** A page that is being served. */
export interface OpsServer {
  /** Where, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Ends it, connections included. Idempotent. */
  close(): Promise<void>;
}

const MAX_URL = 2_048;
/** Requests worked at once; each may need several connections of the pool. */
const MAX_IN_FLIGHT = 32;

const ASSETS: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ['/assets/ops.css', { status: 200, type: 'text/css', text: STYLESHEET, headers: { 'cache-control': 'private, max-age=300' } }],
  ['/assets/ops.js', { status: 200, type: 'text/javascript', text: SCRIPT, headers: { 'cache-control': 'private, max-age=300' } }],
  ['/favicon.ico', { status: 204, type: 'text/plain', text: '', headers: { 'cache-control': 'private, max-age=300' } }],
]);

/** Listens, and resolves when it does. Rejects with `ConfigurationError` when the address cannot be had. */
export async function startOpsServer({ backend, options, port, logger, clock = systemClock }: OpsServerOptions): Promise<OpsServer> {
  const site = new OpsSite(backend, options, logger, clock);
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 2_000, maxHeaderSize: 16_384 },
    (request, response) =>
      void site
        .handle(request)
        .then((answer) => send(response, answer))
        .catch(() => response.destroy()),
  );
  server.maxConnections = 128;
  server.maxHeadersCount = 64;
  server.timeout = 60_000;
  await listening(server, { host: options.host, port });
  const { address, family, port: taken } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    close: () =>
      (closing ??= new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      })),
  };
}

const listening = (server: Server, at: ListenOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new ConfigurationError(`the ops page cannot listen at ${at.host}:${at.port}: ${cause.message}`, { cause })),
    );
    server.listen(at, resolve);
  });

/** Who may see what, and what is done with a request; knows nothing of sockets. */
class OpsSite {
  readonly #backend: OpsBackend;
  readonly #options: ResolvedOpsOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #doorkeeper: Doorkeeper;
  #inFlight = 0;

  constructor(backend: OpsBackend, options: ResolvedOpsOptions, logger: Logger, clock: Clock) {
    this.#backend = backend;
    this.#options = options;
    this.#logger = logger;
    this.#clock = clock;
    this.#sessions = new Sessions(clock);
    this.#doorkeeper = new Doorkeeper(options, clock);
  }

  /** Never rejects; what failed inside is in the log, under a number that is on the page. */
  async handle(request: IncomingMessage): Promise<Answer> {
    if (this.#inFlight >= MAX_IN_FLIGHT) return asText(503, 'Too many ask at once.', { 'retry-after': '1' });
    this.#inFlight += 1;
    try {
      return await this.#answer(request);
    } catch (error) {
      if (error instanceof RefusedRequest) return refusal(error.status, error.message);
      const number = randomUUID().slice(0, 8);
      this.#logger.error({ error, number, method: request.method }, 'the ops page failed');
      return refusal(500, `Something failed. The log of this process says more under number ${number}.`);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '', headers } = request;
    if (method !== 'GET' && method !== 'POST') return asText(405, 'Only GET and POST.', { allow: 'GET, POST' });
    if (url.length > MAX_URL) return asText(414, `The address is longer than ${MAX_URL} characters.`);
    if (!isOurHost(headers.host, this.#options)) return asText(421, 'This page is not served under that name.');
    if (!URL.canParse(url, 'http://page')) return asText(400, 'This is no address.');
    const { pathname: path, searchParams } = new URL(url, 'http://page');
    const asset = ASSETS.get(path);
    if (asset !== undefined && method === 'GET') return asset;
    const session = this.#sessions.find(headers.cookie);
    if (method === 'POST' && path === '/sign-in') return this.#signIn(request, session);
    const admission = await this.#doorkeeper.admit(request, session);
    if (admission.kind === 'wait')
      return asText(429, 'Too many wrong tokens.', { 'retry-after': String(Math.ceil(admission.waitMs / 1_000)) });
    if (admission.kind === 'refused') return refusal(401, 'You may not see this page.', { 'www-authenticate': 'Bearer' });
    if (admission.kind === 'sign-in') {
      if (method === 'POST') return refusal(401, 'Sign in first.', { 'www-authenticate': 'Bearer' });
      const { part, headers: set } = this.#keep(session);
      return asPage(401, signInPage(this.#sessions.formToken(part, ''), url), { ...set, 'www-authenticate': 'Bearer' });
    }
    const { visitor } = admission;
    if (method === 'POST') return this.#act(request, path, visitor, session);
    const view = VIEWS.get(path);
    if (view === undefined) return refusal(404, 'There is no such page.');
    const { part, headers: set } = this.#keep(session);
    const viewer = this.#viewer(visitor, part);
    return asPage(200, page(await view({ fields: searchParams, backend: this.#backend, viewer, now: this.#clock.now() }), viewer), set);
  }

  async #act(request: IncomingMessage, path: string, visitor: Visitor, session: OpsSession | undefined): Promise<Answer> {
    const { headers } = request;
    // A program's header is sent by no browser on anybody else's behalf; a page of another site may not use it all the same.
    const isForged = visitor.isProgram
      ? headers.origin !== undefined && !isSameOrigin(headers, this.#options)
      : !isSameOrigin(headers, this.#options);
    if (isForged) throw new RefusedRequest(403, 'This form was not sent from this page.');
    const fields = await readForm(request);
    const isOurForm = session !== undefined && isSame(fields.get('form') ?? '', this.#sessions.formToken(session, visitor.name));
    if (!visitor.isProgram && !isOurForm)
      throw new RefusedRequest(403, 'This form is too old: go back, load the page again, and send it once more.');
    if (path === '/sign-out')
      return { ...asText(303, 'Signed out.'), headers: { location: '/', 'set-cookie': clearedCookie(this.#options) } };
    const action = ACTIONS.get(path);
    if (action === undefined) return refusal(404, 'There is no such action.');
    const viewer = this.#viewer(visitor, session);
    const decision = () => ({ by: decidedBy(nameOf(visitor.isKnown ? visitor.name : (fields.get('by') ?? ''))), reason: reasonOf(fields) });
    try {
      const content = await action({ fields, backend: this.#backend, viewer, now: this.#clock.now(), decision });
      this.#logger.info({ action: path, by: visitor.name, isDone: content.notice?.isDone }, 'done on the ops page');
      return asPage(content.notice?.isDone === false ? 409 : 200, page(content, viewer));
    } catch (error) {
      // Of these the message is meant for people, and holds nothing secret.
      if (error instanceof RangeError || error instanceof CheckbackError)
        throw new RefusedRequest(409, `Nothing was done: ${messageOf(error)}`);
      throw error;
    }
  }

  async #signIn(request: IncomingMessage, session: OpsSession | undefined): Promise<Answer> {
    if (this.#options.token === undefined) return refusal(404, 'There is nothing to sign in with.');
    if (!isSameOrigin(request.headers, this.#options)) throw new RefusedRequest(403, 'This form was not sent from this page.');
    const fields = await readForm(request);
    if (session === undefined || !isSame(fields.get('form') ?? '', this.#sessions.formToken(session, '')))
      throw new RefusedRequest(403, 'This form is too old: load the page again.');
    const again = (problem: string, status: number, headers: Answer['headers'] = {}): Answer =>
      asPage(status, signInPage(this.#sessions.formToken(session, ''), fields.get('to') ?? '/', problem), headers);
    return signIn(fields, {
      tryToken: (token) => this.#doorkeeper.tryToken(token, request),
      welcome: (user, to) => ({
        ...asText(303, 'Signed in.'),
        headers: { location: to, 'set-cookie': cookieHeader(this.#sessions.begin(user).cookie, this.#options) },
      }),
      again,
    });
  }

  /** The session there is, or a new one and its cookie. */
  #keep(session: OpsSession | undefined): { readonly part: OpsSession; readonly headers: Readonly<Record<string, string>> } {
    if (session !== undefined) return { part: session, headers: {} };
    const { session: part, cookie } = this.#sessions.begin(undefined);
    return { part, headers: { 'set-cookie': cookieHeader(cookie, this.#options) } };
  }

  #viewer(visitor: Visitor, session: OpsSession | undefined): Viewer {
    const formToken = session === undefined ? '' : this.#sessions.formToken(session, visitor.name);
    return { visitor, formToken, canSignOut: session?.user !== undefined };
  }
}

const refusal = (status: number, text: string, headers?: Answer['headers']): Answer => {
  const content: PageContent = {
    title: `${status}`,
    main: markup`<p>${text}</p>
      <p><a href="/">To the overview</a></p>`,
  };
  return asPage(status, page(content), headers);
};
