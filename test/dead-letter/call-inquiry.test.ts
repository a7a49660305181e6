import { describe, expect, it } from 'vitest';
import { type AskInstitution, type CallOnRecord, inquireCall, type InstitutionAnswer } from '../../src/dead-letter/call-inquiry.ts';
import { charge, knowing, received } from './support/messages.ts';

const asking = (row: CallOnRecord | undefined, answer: InstitutionAnswer | Error = 'UNKNOWN', canBeAsked = true) => {
  const asked: string[] = [];
  const looked: string[] = [];
  const askInstitution: AskInstitution = async (listener, message, key) => {
    asked.push(`${listener.name} ${message.messageId} ${key}`);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const findCall = async (callName: string, key: string) => {
    looked.push(`${callName} ${key}`);
    return row;
  };
  const inquire = inquireCall({ callOf: knowing(charge(canBeAsked)), findCall, askInstitution });
  return { asked, looked, inquire: (message = received(), topic = 'orders') => inquire(message, 'payments', topic) };
};

const UNKNOWN: CallOnRecord = { status: 'UNKNOWN', attempt: 'idle' };

describe('What became of the call of a dead message', () => {
  it.each([
    ['no call was ever made', undefined],
    ['no attempt had an effect', { status: 'PENDING', attempt: 'idle' } as const],
  ])('is nothing where %s: it may be replayed', async (_what, row) => {
    const { asked, inquire, looked } = asking(row);
    expect(await inquire()).toEqual({ kind: 'replay' });
    expect(looked).toEqual(['charge-payment order-1']);
    expect(asked).toEqual([]);
  });

  it.each(['SUCCESS', 'FAIL'] as const)('is on record as %s, and nobody is asked', async (status) => {
    const { asked, inquire } = asking({ status, attempt: 'idle' });
    expect(await inquire()).toEqual({
      kind: 'done',
      status,
      asked: false,
      fact: `call "charge-payment" of key "order-1" is on record as ${status}`,
    });
    expect(asked).toEqual([]);
  });

  it.each([
    ['UNKNOWN', UNKNOWN],
    ['abandoned', { status: 'PENDING', attempt: 'abandoned' } as const],
  ])('is asked at the institution where it is %s', async (_what, row) => {
    for (const status of ['SUCCESS', 'FAIL'] as const) {
      const { asked, inquire } = asking(row, status);
      expect(await inquire()).toMatchObject({ kind: 'done', status, asked: true });
      expect(asked).toEqual(['charge m1 order-1']);
    }
    expect(await asking(row, 'ABSENT').inquire()).toEqual({ kind: 'replay' });
    expect(await asking(row, 'UNKNOWN').inquire()).toMatchObject({ kind: 'refuse', fact: expect.stringMatching(/"bank" could not say/) });
  });

  it('stays unknown where the institution cannot be asked', async () => {
    expect(await asking(UNKNOWN, new Error('refused')).inquire()).toMatchObject({
      kind: 'refuse',
      fact: expect.stringMatching(/could not be asked: refused/),
    });
    const { asked, inquire } = asking(UNKNOWN, 'ABSENT', false);
    expect(await inquire()).toMatchObject({ kind: 'refuse', fact: expect.stringMatching(/no status check to ask "bank" with/) });
    expect(asked).toEqual([]);
  });

  it('is not known yet while an attempt runs', async () => {
    const { asked, inquire } = asking({ status: 'PENDING', attempt: 'running' });
    expect(await inquire()).toMatchObject({ kind: 'refuse', fact: expect.stringMatching(/right now/) });
    expect(asked).toEqual([]);
  });

  it('is nobody’s business for a message of an unknown listener, or one nobody can read', async () => {
    for (const stranger of [received({ topic: 'others' }), received({ body: Buffer.from('{') })]) {
      const { inquire, looked } = asking(UNKNOWN);
      expect(await inquire(stranger, stranger.topic)).toEqual({ kind: 'replay' });
      expect(looked).toEqual([]);
    }
  });
});
