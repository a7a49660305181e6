import type { ConsumerGroup } from './consumer-group.ts';
import type { MessageFilter } from './message-filter.ts';
import { MessageLog } from './message-log.ts';
import type { StoredMessage } from './stored-message.ts';
import type { Appointment, Timetable } from './timetable.ts';
import type { Topic } from './topics.ts';

/** A message in somebody's hands, or on its way to the next ones. */
export interface Held {
  readonly number: number;
  readonly message: StoredMessage;
  /** Deliveries so far, this one among them. */
  readonly attempt: number;
}

/** One message handed to one consumer. */
export interface Delivery extends Held {
  readonly receiptId: number;
  readonly deliveredAt: number;
  readonly invisibleMs: number;
}

export interface ReceiveRequest {
  readonly filter: MessageFilter;
  readonly max: number;
  readonly invisibleMs: number;
  /** Asked when the invisible time ends: `true` holds the message for as long again, as the proxy does for a push consumer. */
  readonly renews?: (() => boolean) | undefined;
}

/** What a subscription tells of what happens to it. */
export interface SubscriptionEvents {
  handedOut(delivery: Delivery): void;
  done(number: number): void;
  deadLetter(held: Held): void;
  /** Whether this delivery is to be made twice. */
  isDuplicated(message: StoredMessage): boolean;
  /** There may be something to receive. */
  readable(): void;
}

interface InHand {
  readonly delivery: Delivery;
  readonly appointment: Appointment;
}

/** Longest a message is renewed for a push consumer that neither acknowledges nor goes away. */
const LONGEST_RENEWAL_MS = 3 * 3_600_000;

/** One group's way through one topic: a position in its log, messages in hand, and messages that are to come again. */
export class Subscription {
  readonly topic: Topic;
  readonly #group: () => ConsumerGroup;
  readonly #timetable: Timetable;
  readonly #events: SubscriptionEvents;
  readonly #receiptIds: () => number;
  readonly #inHand = new Map<number, InHand>();
  readonly #again = new MessageLog<Held>();
  #position: number;
  /** Message groups with a message in hand, and what waits behind it. */
  readonly #ordered = new Map<string, Held[]>();
  /** Numbers before the position that are not done with, in their order. */
  readonly #open = new Set<number>();

  constructor(
    topic: Topic,
    group: () => ConsumerGroup,
    timetable: Timetable,
    events: SubscriptionEvents,
    receiptIds: () => number,
    position = topic.log.first,
  ) {
    this.topic = topic;
    this.#group = group;
    this.#timetable = timetable;
    this.#events = events;
    this.#receiptIds = receiptIds;
    this.#position = position;
  }

  /** Next number of the log that nobody of this group was given. */
  get position(): number {
    return this.#position;
  }

  get inHand(): number {
    return this.#inHand.size;
  }

  /** Messages this group has not acknowledged, those in hand among them. */
  get backlog(): number {
    return Math.max(0, this.topic.log.next - Math.max(this.#position, this.topic.log.first)) + this.#open.size;
  }

  /** What may be delivered now; `isEmpty` tells an answer without messages from no answer yet. */
  receive(request: ReceiveRequest): { deliveries: Delivery[]; isEmpty: boolean } {
    const deliveries: Delivery[] = [];
    let taken = 0;
    while (deliveries.length < request.max) {
      const held = this.#next();
      if (held === undefined) break;
      if (!request.filter.matches(held.message.tag)) this.#finish(held);
      else if (held.attempt > this.#group().retryMaxTimes + 1) {
        taken += 1;
        this.#events.deadLetter(held);
        this.#finish(held);
      } else deliveries.push(this.#handOut(held, request));
    }
    return { deliveries, isEmpty: deliveries.length + taken === 0 };
  }

  /** A receipt of an earlier delivery acknowledges nothing, and that is no error. */
  acknowledge(receiptId: number): void {
    const held = this.#take(receiptId);
    if (held !== undefined) this.#finish(held);
  }

  /** Hands out a new receipt for a message in hand; the next delivery comes `invisibleMs` from now. */
  changeInvisible(receiptId: number, invisibleMs: number): Delivery | undefined {
    const held = this.#take(receiptId);
    return held === undefined ? undefined : this.#hold(held, invisibleMs);
  }

  /** Takes a message out of somebody's hands for good, for the dead letters. */
  bury(receiptId: number): Held | undefined {
    const held = this.#take(receiptId);
    if (held !== undefined) this.#finish(held);
    return held;
  }

  /** Puts a message back that was handed out before a restart; `attempt` is the one it comes again as. */
  restore(held: Held): void {
    this.#open.add(held.number);
    if (!this.#waitsForItsTurn(held)) this.#again.append(held);
  }

  /** Messages before the position that are not done with; `attempt` counts the deliveries made. */
  *unfinished(): Generator<Held> {
    for (const { delivery } of this.#inHand.values()) yield delivery;
    for (const [, held] of this.#again) yield { ...held, attempt: held.attempt - 1 };
    for (const waiting of this.#ordered.values()) for (const held of waiting) yield { ...held, attempt: 0 };
  }

  #next(): Held | undefined {
    const again = this.#again.get(this.#again.first);
    if (again !== undefined) {
      this.#again.trim(this.#again.first + 1);
      return again;
    }
    const { log } = this.topic;
    for (;;) {
      const number = Math.max(this.#position, log.first);
      const message = log.get(number);
      if (message === undefined) return undefined;
      this.#position = number + 1;
      this.#open.add(number);
      const held = { number, message, attempt: 1 };
      if (!this.#waitsForItsTurn(held)) return held;
    }
  }

  #waitsForItsTurn(held: Held): boolean {
    const { messageGroup } = held.message;
    if (messageGroup === undefined || !this.#group().isFifo) return false;
    const waiting = this.#ordered.get(messageGroup);
    if (waiting === undefined) this.#ordered.set(messageGroup, []);
    else waiting.push(held);
    return waiting !== undefined;
  }

  #handOut(held: Held, request: ReceiveRequest): Delivery {
    const delivery = this.#hold(held, request.invisibleMs, request.renews);
    this.#events.handedOut(delivery);
    if (this.#events.isDuplicated(held.message)) this.#again.append(held);
    return delivery;
  }

  #hold(held: Held, invisibleMs: number, renews?: () => boolean): Delivery {
    const { number, message, attempt } = held;
    const deliveredAt = this.#timetable.now();
    const delivery = { number, message, attempt, receiptId: this.#receiptIds(), deliveredAt, invisibleMs };
    const expire = (): void => {
      if (renews?.() === true && this.#timetable.now() - deliveredAt < LONGEST_RENEWAL_MS) {
        this.#inHand.set(delivery.receiptId, { delivery, appointment: this.#timetable.after(invisibleMs, expire) });
        return;
      }
      this.#inHand.delete(delivery.receiptId);
      this.#comesAgain(delivery);
      this.#events.readable();
    };
    this.#inHand.set(delivery.receiptId, { delivery, appointment: this.#timetable.after(invisibleMs, expire) });
    return delivery;
  }

  #comesAgain({ number, message, attempt }: Held): void {
    this.#again.append({ number, message, attempt: attempt + 1 });
  }

  #take(receiptId: number): Held | undefined {
    const inHand = this.#inHand.get(receiptId);
    if (inHand === undefined) return undefined;
    inHand.appointment.cancel();
    this.#inHand.delete(receiptId);
    return inHand.delivery;
  }

  #finish({ number, message }: Held): void {
    this.#open.delete(number);
    this.#events.done(number);
    const { messageGroup } = message;
    const waiting = messageGroup === undefined ? undefined : this.#ordered.get(messageGroup);
    if (waiting === undefined) return;
    const next = waiting.shift();
    if (next === undefined) this.#ordered.delete(messageGroup!);
    else {
      this.#again.append(next);
      this.#events.readable();
    }
  }
}
