import { type Endpoints, type MessageView, StatusChecker, type definition, type service } from './client-package.ts';

/** As many as one receive brings. The proxy names no limit of its own. */
const MAX_ENTRIES = 32;

/** Sends one acknowledgement request for these messages, all of which came from one broker. */
export type SendAcks = (endpoints: Endpoints, views: readonly MessageView[]) => Promise<service.AckMessageResponse>;

interface Waiting {
  readonly view: MessageView;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Acknowledgements, many to a request: the protocol's takes any number of entries, the client's `ack()` puts one into
 * each. What arrives in one turn of the event loop, or while a request to the same broker is under way, leaves together;
 * nothing waits for a clock, and a lone one leaves at once. Each entry's own status ends its own promise.
 */
export class AckBatches {
  readonly #send: SendAcks;
  readonly #lanes = new Map<string, Waiting[]>();

  constructor(send: SendAcks) {
    this.#send = send;
  }

  /** Rejects with the broker's refusal of this entry, or with what became of the whole request. */
  ack(view: MessageView): Promise<void> {
    const done = Promise.withResolvers<void>();
    const address = view.endpoints.facade;
    const lane = this.#lanes.get(address);
    if (lane !== undefined) lane.push({ view, done });
    else {
      const opened = [{ view, done }];
      this.#lanes.set(address, opened);
      void this.#empty(address, view.endpoints, opened);
    }
    return done.promise;
  }

  /** One request at a time; the lane ends with its last entry, so a broker that is gone leaves nothing behind. */
  async #empty(address: string, endpoints: Endpoints, lane: Waiting[]): Promise<void> {
    await endOfTurn();
    while (lane.length > 0) {
      const batch = lane.splice(0, MAX_ENTRIES);
      try {
        const views = batch.map(({ view }) => view);
        settle(batch, await this.#send(endpoints, views));
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#lanes.delete(address);
  }
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/**
 * The answer's own status is OK, MULTIPLE_RESULTS, or the one its entries have in common: it says nothing that they do
 * not. Entries come in the order of the request; the receipt is compared because a wrong one would lose a message.
 */
function settle(batch: readonly Waiting[], response: service.AckMessageResponse): void {
  const results = new Map(response.getEntriesList().map((entry) => [entry.getReceiptHandle(), entry.getStatus()]));
  for (const { view, done } of batch) {
    // An entry left out was not confirmed; the status of the whole may say why.
    const status: definition.Status | undefined = results.get(view.receiptHandle) ?? response.getStatus();
    try {
      StatusChecker.check(status?.toObject());
      if (!results.has(view.receiptHandle)) throw new Error('the broker did not answer for this message');
      done.resolve();
    } catch (error) {
      done.reject(error);
    }
  }
}
