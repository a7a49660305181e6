import { describe, expect, it } from 'vitest';
import { maskerOf } from '../../src/cli/doctor/masked.ts';

const masked = maskerOf({
  databaseUrl: 'mysql://app:p%40ssword@db:3306/shop',
  origins: {
    bank: { url: 'https://bank.example', headers: { authorization: 'Bearer t0ken-of-the-bank' }, key: 'PEM KEY' },
    post: 'https://post.example',
  },
  alertWebhook: 'https://hooks.example/T0/secret',
  opsToken: 'ops-token-of-ours',
  changeDataCapture: { rowMessages: [], from: 'now', binlogUrl: 'mysql://reader:bin%2Flog@db:3306/shop' },
});

describe('What the doctor says', () => {
  it.each([
    ['a URL with a password', 'cannot reach mysql://me:other@h/d', 'cannot reach mysql://***@h/d'],
    ['the password as the URL has it', 'denied (p%40ssword)', 'denied (***)'],
    ['the password as it is', 'denied (p@ssword)', 'denied (***)'],
    ['a header', 'sent Bearer t0ken-of-the-bank', 'sent ***'],
    ['the credential of a header', 'sent t0ken-of-the-bank', 'sent ***'],
    ['a private key', 'bad PEM KEY', 'bad ***'],
    ['the token of the ops page', 'Bearer ops-token-of-ours', 'Bearer ***'],
    ['the password of the reader of the binlog', 'denied (bin/log)', 'denied (***)'],
    ['the webhook', 'POST https://hooks.example/T0/secret', 'POST ***'],
  ])('never repeats %s', (_what, text, clean) => {
    expect(masked(text)).toBe(clean);
  });

  it('keeps addresses, and words that merely are short', () => {
    const plain = maskerOf({ databaseUrl: 'mysql://a:is@h/d', origins: {}, alertWebhook: undefined });
    expect(plain('the disk at 127.0.0.1:3306 is full')).toBe('the disk at 127.0.0.1:3306 is full');
  });
});
