import { describe, expect, it } from 'vitest';
import { errorMask, maskedErrorChain } from '../../src/dead-letter/mask-error.ts';
import { ConnectError, InvalidMessageError } from '../../src/errors.ts';
import { received } from './support/messages.ts';

const SECRET = 'DE89370400440532013000';
const message = received({ body: Buffer.from(JSON.stringify({ account: { iban: SECRET }, amountMinor: 123456, note: 'for Ada' })) });

describe('The error chain of a dead letter', () => {
  it('keeps names, codes and sentences, outermost first', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(maskedErrorChain(new ConnectError('call "charge": refused', { cause }), errorMask(message))).toEqual([
      { name: 'ConnectError', code: 'CB_CONNECT', message: 'call "charge": refused' },
      { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
    ]);
  });

  it.each([
    ['a value of the message, in an error of the listener', new Error(`no account ${SECRET}`)],
    ['a value of the message, in an error of ours that the listener threw', new InvalidMessageError(`account ${SECRET} is closed`)],
    ['a number of the message', new Error('cannot book 123456')],
    ['a short text of the message', new Error('refused: for Ada')],
    ['what a database quotes', new Error("Duplicate entry 'Lovelace' for key 'name'")],
    ['what a parser quotes', new SyntaxError('Unexpected token } in "Lovelace"')],
    ['a mail address', new Error('no such user: ada@example.org')],
    ['a token', new Error('cannot read eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ')],
    ['a number it was told by somebody else', new Error('card 4111111111111111 is blocked')],
    ['a named secret', new Error('password=hunter2 is wrong')],
    ['an error with it as its cause', new Error('failed', { cause: new Error(`no account ${SECRET}`) })],
  ])('does not repeat %s', (_what, error) => {
    const text = JSON.stringify(maskedErrorChain(error, errorMask(message)));
    for (const value of [SECRET, '123456', 'for Ada', 'ada@example.org', 'Lovelace', 'eyJhbGci', '41111111', 'hunter2'])
      expect(text).not.toContain(value);
    expect(text).toContain('***');
  });

  it('ends, however long or circular', () => {
    const circular: Error = new Error('round');
    circular.cause = circular;
    expect(maskedErrorChain(circular, errorMask(message))).toHaveLength(10);
    expect(maskedErrorChain(new InvalidMessageError('x'.repeat(10_000)), errorMask(message))[0]!.message).toHaveLength(500);
  });

  it('is empty where no error decided, and harmless where anything else was thrown', () => {
    expect(maskedErrorChain(undefined, errorMask(message))).toEqual([]);
    expect(maskedErrorChain(SECRET, errorMask(message))).toEqual([]);
  });

  it('is made of a body nested 100,000 deep, or of 400,000 numbers, as of any other', () => {
    const deep = received({ body: Buffer.from(`${'['.repeat(100_000)}"${SECRET}"${']'.repeat(100_000)}`) });
    expect(() => maskedErrorChain(new Error('x'), errorMask(deep))).not.toThrow();
    const long = received({ body: Buffer.from(JSON.stringify(Array(400_000).fill(1))) });
    expect(() => maskedErrorChain(new Error('x'), errorMask(long))).not.toThrow();
  });
});
