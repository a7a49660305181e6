import type { IncomingMessage } from './stored-message.ts';
import type { Appointment, Timetable } from './timetable.ts';

interface Delayed {
  readonly message: IncomingMessage;
  readonly appointment: Appointment;
}

/** Messages that nobody may read before their time. */
export class DelayedMessages {
  readonly #timetable: Timetable;
  readonly #due: (id: number, message: IncomingMessage) => void;
  readonly #delayed = new Map<number, Delayed>();
  #nextId = 0;

  constructor(timetable: Timetable, due: (id: number, message: IncomingMessage) => void) {
    this.#timetable = timetable;
    this.#due = due;
  }

  all(): readonly { id: number; message: IncomingMessage }[] {
    return [...this.#delayed].map(([id, { message }]) => ({ id, message }));
  }

  /** Keeps the message until its `deliverAt`; one in the past becomes readable at once. */
  add(message: IncomingMessage, id = this.#nextId): number {
    this.#nextId = Math.max(this.#nextId, id + 1);
    const appointment = this.#timetable.at(message.deliverAt ?? 0, () => {
      this.#delayed.delete(id);
      this.#due(id, message);
    });
    this.#delayed.set(id, { message, appointment });
    return id;
  }

  forget(id: number): void {
    this.#delayed.get(id)?.appointment.cancel();
    this.#delayed.delete(id);
  }
}
