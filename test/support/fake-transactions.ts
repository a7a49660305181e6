import type { CheckBack, CheckedHalfMessage, Resolution, TransactionalBroker } from '../../src/broker/transactional-producer.ts';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { HalfMessageError } from '../../src/errors.ts';
import type { Fence, FencedSession, TransactionDatabase } from '../../src/transaction/transaction-database.ts';

/** A broker that remembers what it was told, in the order it was told. Its half sends can be made to fail. */
export class ScriptedBroker implements TransactionalBroker {
  readonly story: string[];
  readonly halves: OutgoingMessage[] = [];
  failHalf: boolean | ((message: OutgoingMessage) => boolean) = false;
  beforeHalf: (message: OutgoingMessage) => Promise<void> = async () => {};
  failEnd = false;
  endGate: Promise<void> = Promise.resolve();
  checkBack!: CheckBack;

  constructor(story: string[]) {
    this.story = story;
  }

  async startTransactionalProducer({ checkBack }: { topics: readonly string[]; checkBack: CheckBack }) {
    this.checkBack = checkBack;
    return {
      sendHalf: async (message: OutgoingMessage) => {
        await this.beforeHalf(message);
        this.story.push('half');
        if (typeof this.failHalf === 'function' ? this.failHalf(message) : this.failHalf)
          throw new HalfMessageError('not confirmed', { retryable: true });
        this.halves.push(message);
        return {
          messageId: `m${this.halves.length}`,
          end: async (resolution: 'COMMIT' | 'ROLLBACK') => {
            await this.endGate;
            this.story.push(`END ${resolution}`);
            if (this.failEnd) throw new Error('proxy is gone');
          },
        };
      },
      close: async () => void this.story.push('broker closed'),
    };
  }

  ask(half: OutgoingMessage, round = 1): Promise<Resolution> {
    const checked: CheckedHalfMessage = { ...half, messageId: 'm', round, bornAt: new Date() };
    return this.checkBack(checked, new AbortController().signal);
  }
}

/** A database whose every step can be made to fail or to hang. It writes no row: what commits is `committed`. */
export class ScriptedDatabase implements TransactionDatabase {
  readonly story: string[];
  readonly answers: (Resolution | Error)[] = [];
  commit: () => Promise<void> = async () => {};
  flush: () => Promise<void> = async () => {};
  proveRow: () => Promise<void> = async () => {};
  unavailable: Error | undefined;
  inside = false;
  checks = 0;
  check: TransactionDatabase['check'] = async () => {
    this.checks++;
    const answer = this.answers.length > 1 ? this.answers.shift()! : (this.answers[0] ?? 'UNKNOWN');
    if (answer instanceof Error) throw answer;
    return answer;
  };

  constructor(story: string[]) {
    this.story = story;
  }

  async withFencedSession<T>(_id: string, fence: Fence, _timeoutMs: number, work: (session: FencedSession) => Promise<T>): Promise<T> {
    if (this.unavailable) throw this.unavailable;
    this.story.push(`${fence} opened`);
    const session: FencedSession = {
      begin: async () => {
        this.story.push('BEGIN');
        return {} as never;
      },
      beginSql: async () => {
        this.story.push('BEGIN');
        return session.sql;
      },
      get sql() {
        return {} as never;
      },
      flush: () => this.flush(),
      proveRow: () => this.proveRow(),
      isWorthRepeating: (error) => (error as Error).message === 'deadlock',
      commit: async () => {
        this.story.push('COMMIT');
        await this.commit();
      },
      rollback: async () => void this.story.push('ROLLBACK'),
      kill: async () => void this.story.push('KILL'),
    };
    try {
      return await work(session);
    } finally {
      this.story.push('fence closed');
    }
  }

  assertCheckable(): void {}
  async start(): Promise<void> {}
  async close(): Promise<void> {}
  isInsideTransaction(): boolean {
    return this.inside;
  }
}
