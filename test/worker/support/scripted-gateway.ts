import type { CallOptions, CallOutcome, Gateway } from '../../../src/gateway/gateway.ts';

type Answer = (input: unknown, options: CallOptions<unknown>, nth: number) => Promise<CallOutcome<unknown>> | CallOutcome<unknown>;

export const success = (response: unknown = {}): Extract<CallOutcome<unknown>, { status: 'SUCCESS' }> => ({
  status: 'SUCCESS',
  response,
  httpStatus: 200,
  replayed: false,
});

/** A gateway that answers as a test tells it. */
export class ScriptedGateway implements Pick<Gateway, 'call'> {
  readonly calls: { input: unknown; options: CallOptions<unknown> }[] = [];
  running = 0;
  mostRunning = 0;
  answer: Answer = () => success();
  readonly #held: (() => void)[] = [];

  /** From now on calls answer SUCCESS only when let go, and reject with the reason when their signal aborts. */
  hold(): void {
    this.answer = (_input, { signal }) =>
      new Promise((resolve, reject) => {
        this.#held.push(() => resolve(success()));
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
  }

  /** From now on calls neither answer nor heed their signal. */
  hang(): void {
    this.answer = () => new Promise(() => {});
  }

  letGo(count = this.#held.length): void {
    for (const go of this.#held.splice(0, count)) go();
  }

  async call<R>(_definition: unknown, input: unknown, options: CallOptions<R>): Promise<CallOutcome<R>> {
    this.calls.push({ input, options: options as unknown as CallOptions<unknown> });
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      return (await this.answer(input, options as unknown as CallOptions<unknown>, this.calls.length)) as CallOutcome<R>;
    } finally {
      this.running -= 1;
    }
  }
}
