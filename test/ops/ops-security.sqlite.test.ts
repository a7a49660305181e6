import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isOurHost } from '../../src/cli/ops/same-origin.ts';
import { resolveOpsOptions } from '../../src/cli/ops/ops-options.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { insertOrder } from './support/ops-fixture.ts';
import { openOpsHome, type OpsHome, type OpsHomeOptions, Visit } from './support/ops-home.ts';

const TOKEN = 'a-token-of-the-team-on-call';

describe('The ops page', () => {
  let home: OpsHome | undefined;
  afterEach(async () => {
    await home?.close();
    home = undefined;
  });
  const open = async (options: OpsHomeOptions = {}): Promise<OpsHome> => (home = await openOpsHome(options));

  it('sends every answer with a policy that lets nothing but its own stylesheet, script and forms be used', async () => {
    const { url } = await open();
    for (const path of ['/', '/nowhere', '/assets/ops.css', '/assets/ops.js', '/find?status=x']) {
      const { headers } = await fetch(`${url}${path}`);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('same-origin');
    }
  });

  it('is served under its own names alone', async () => {
    const { url } = await open();
    const { port } = new URL(url);
    const statusOf = (host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request({ port, host: '127.0.0.1', path: '/', headers: { host } }, (answer) => resolve(answer.resume().statusCode!));
        asked.once('error', reject).end();
      });
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'localhost:9999'])
      expect({ host, status: await statusOf(host) }).toEqual({ host, status: 200 });
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1', 'localhost@evil'])
      expect({ host, status: await statusOf(host) }).toEqual({ host, status: 421 });
  });

  it('knows its public name behind a proxy, and addresses beyond loopback', () => {
    const options = resolveOpsOptions({ host: '0.0.0.0', token: TOKEN, publicOrigin: 'https://ops.example.com' });
    for (const host of ['ops.example.com', 'OPS.example.com', '10.1.2.3:80', '127.0.0.1']) expect(isOurHost(host, options)).toBe(true);
    for (const host of ['example.com', 'ops.example.com.evil.example', undefined]) expect(isOurHost(host, options)).toBe(false);
  });

  it('answers GET and POST alone, and neither long addresses nor long forms', async () => {
    const { url } = await open();
    for (const method of ['PUT', 'DELETE', 'HEAD', 'OPTIONS']) expect((await fetch(url, { method })).status).toBe(405);
    expect((await fetch(`${url}/?x=${'y'.repeat(2_100)}`)).status).toBe(414);
    const visit = new Visit(url);
    await visit.get('/');
    expect((await visit.post('/breaks/resolve', { reason: 'x'.repeat(20_000) })).status).toBe(413);
    const json = { method: 'POST', headers: { origin: url, 'content-type': 'application/json' }, body: '{}' };
    expect((await fetch(`${url}/breaks/resolve`, json)).status).toBe(415);
  });

  it('never shows what failed inside, and logs it under the number it shows', async () => {
    const error = vi.fn();
    const { url } = await open({
      logger: { ...silentLogger, error },
      change: (backend) => ({ ...backend, overview: () => Promise.reject(new Error('password is hunter2 at secret.ts:1')) }),
    });
    const answer = await fetch(url);
    const text = await answer.text();
    expect(answer.status).toBe(500);
    expect(text).not.toMatch(/hunter2|secret\.ts|Error/);
    expect(text).toContain((error.mock.calls[0]![0] as { number: string }).number);
  });

  it('begins a session with a cookie that no script and no other site is given', async () => {
    const { url } = await open();
    expect((await fetch(url)).headers.get('set-cookie')).toMatch(
      /^checkback_ops=[\w.-]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/,
    );
  });

  describe('with a token', () => {
    const withToken = (more: OpsHomeOptions = {}): Promise<OpsHome> => open({ options: { token: TOKEN }, ...more });
    const signIn = async (visit: Visit, token: string, by = 'ada', to = '/breaks') => {
      const { form } = await visit.fields('/breaks', '/sign-in');
      return visit.post('/sign-in', { form: form!, to, by, token });
    };

    it('shows nothing without it', async () => {
      const { url } = await withToken();
      for (const path of ['/', '/story?id=x', '/dead-letters', '/nowhere']) {
        const answer = await fetch(`${url}${path}`);
        expect(answer.status).toBe(401);
        expect(await answer.text()).not.toContain('Dead letters');
      }
      expect((await new Visit(url).post('/breaks/resolve', {})).status).toBe(401);
    });

    it('is entered by a form, under the name that was given, which every action records', async () => {
      const { url, orm } = await withToken();
      const order = await insertOrder(orm, 'o1');
      const visit = new Visit(url);
      const answer = await signIn(visit, TOKEN, 'ada lövelace');
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toBe('/breaks');
      expect((await visit.get('/breaks')).text).toContain('ada lövelace');
      const fields = await visit.fields(`/breaks/break?id=${order.breakId}`, '/breaks/resolve');
      expect((await visit.post('/breaks/resolve', { ...fields, by: 'somebody else', reason: 'seen' })).status).toBe(200);
      expect((await visit.get(`/breaks/break?id=${order.breakId}`)).text).toMatch(/resolved<\/td>\s*<td data-label="Who">ada lövelace</);
      const { form } = await visit.fields('/breaks', '/sign-out');
      expect((await visit.post('/sign-out', { form: form! })).status).toBe(303);
      expect((await visit.get('/breaks')).status).toBe(401);
    });

    it('leads to its own pages alone', async () => {
      const { url } = await withToken();
      for (const to of ['//evil.example', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)'])
        expect((await signIn(new Visit(url), TOKEN, 'ada', to)).headers.get('location')).toBe('/');
    });

    it('takes it from programs in a header, which need no form', async () => {
      const { url, orm } = await withToken();
      const order = await insertOrder(orm, 'o1');
      const headers = { authorization: `Bearer ${TOKEN}` };
      expect((await fetch(`${url}/breaks`, { headers })).status).toBe(200);
      const resolve = (more: Record<string, string>) =>
        fetch(`${url}/breaks/resolve`, {
          method: 'POST',
          headers: { ...headers, ...more },
          body: new URLSearchParams({ id: String(order.breakId), reason: 'seen' }),
        });
      expect((await resolve({ origin: 'http://evil.example' })).status).toBe(403);
      expect((await resolve({})).status).toBe(200);
      expect((await fetch(`${url}/breaks`, { headers: { authorization: 'Bearer wrong-but-long-enough' } })).status).toBe(401);
    });

    it('takes no cookie that it did not sign, and none that is over', async () => {
      let now = 1_000;
      const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
      const { url } = await withToken({ clock });
      const visit = new Visit(url);
      await signIn(visit, TOKEN);
      expect((await visit.get('/breaks')).status).toBe(200);
      const { cookie } = visit;
      const forged = cookie!.replace(/\.[^.]+\.([^.]+)$/, `.${Buffer.from('root').toString('base64url')}.$1`);
      expect((await fetch(`${url}/breaks`, { headers: { cookie: forged } })).status).toBe(401);
      now += 12 * 3_600_000;
      expect((await fetch(`${url}/breaks`, { headers: { cookie: cookie! } })).status).toBe(401);
    });

    it('makes who is wrong too often wait, even with the right one, and nobody who is in', async () => {
      let now = 1_000;
      const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };
      const { url } = await withToken({ clock });
      const inside = new Visit(url);
      await signIn(inside, TOKEN);
      const visit = new Visit(url);
      for (let nth = 0; nth < 10; nth += 1) expect((await signIn(visit, `wrong-${nth}`)).status).toBe(401);
      const refused = await signIn(visit, TOKEN);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toBe('60');
      expect((await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(429);
      expect((await inside.get('/breaks')).status).toBe(200);
      now += 60_000;
      expect((await signIn(visit, TOKEN)).status).toBe(303);
    });

    it('takes no sign-in from another site', async () => {
      const { url } = await withToken();
      const visit = new Visit(url);
      const { form } = await visit.fields('/', '/sign-in');
      const fields = { form: form!, by: 'ada', token: TOKEN };
      expect((await visit.post('/sign-in', fields, { origin: 'http://evil.example' })).status).toBe(403);
      expect((await visit.post('/sign-in', { ...fields, form: 'x' })).status).toBe(403);
      expect((await visit.post('/sign-in', { ...fields, by: '' })).status).toBe(400);
    });
  });

  it('asks a hook who somebody is, and records that name', async () => {
    const { url, orm } = await open({
      options: { authenticate: ({ headers }) => (headers['x-user'] === undefined ? undefined : { user: String(headers['x-user']) }) },
    });
    const order = await insertOrder(orm, 'o1');
    expect((await fetch(url)).status).toBe(401);
    const visit = new Visit(url, { 'x-user': 'grace' });
    const page = `/breaks/break?id=${order.breakId}`;
    const fields = await visit.fields(page, '/breaks/accept');
    expect((await visit.post('/breaks/accept', { ...fields, by: 'ada', reason: 'fine' })).status).toBe(200);
    expect((await visit.get(page)).text).toMatch(/accepted<\/td>\s*<td data-label="Who">grace</);
    // A form of one user is none of another's.
    const other = new Visit(url, { 'x-user': 'mallory' });
    other.cookie = visit.cookie;
    expect((await other.post('/breaks/accept', { ...fields, reason: 'fine' })).status).toBe(403);
  });

  it('ends with its connections', async () => {
    const { url, close } = await open();
    home = undefined;
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await new Promise((connected) => socket.once('connect', connected));
    const ended = new Promise((closed) => socket.once('close', closed));
    await close();
    await ended;
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  it('is refused where it would be open to everybody', () => {
    expect(() => resolveOpsOptions({ host: '0.0.0.0' })).toThrow(
      /ops\.host "0\.0\.0\.0" is not a loopback address: the page needs ops\.token/,
    );
    expect(() => resolveOpsOptions({ host: '::' })).toThrow(/not a loopback/);
    expect(() => resolveOpsOptions({ host: '10.0.0.1', token: 'short' })).toThrow(
      new RangeError('ops.token must have 16 to 512 characters, it has 5'),
    );
    expect(() => resolveOpsOptions({ tokenOfEnvironment: 'short' })).toThrow('CHECKBACK_OPS_TOKEN must have 16');
    expect(() => resolveOpsOptions({ publicOrigin: 'ops.example.com/x' })).toThrow(/publicOrigin must look like/);
    expect(() => resolveOpsOptions({ hots: 'x' } as never)).toThrow('unknown option "hots"');
    expect(resolveOpsOptions()).toEqual({
      host: '127.0.0.1',
      token: undefined,
      authenticate: undefined,
      publicOrigin: undefined,
      isLoopback: true,
    });
    for (const host of ['localhost', '::1', '127.0.0.2']) expect(resolveOpsOptions({ host }).isLoopback).toBe(true);
    expect(resolveOpsOptions({ host: '0.0.0.0', token: TOKEN }).isLoopback).toBe(false);
  });
});
