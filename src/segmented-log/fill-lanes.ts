import type { DrainSide } from './drain-side.ts';
import type { SegmentedLogDrainLimits } from './drain-options.ts';
import type { Lanes } from './lanes.ts';
import type { ReadRecords } from './log-reader.ts';
import { PROGRESS_SPAN } from './progress.ts';

/** Frames read before what was read is sent. */
const FRAMES = 64;

/** Brings messages from a log into memory, as many as there may be, in their order. */
export class LaneFiller {
  readonly #side: DrainSide;
  readonly #lanes: Lanes;
  readonly #limits: Pick<SegmentedLogDrainLimits, 'window' | 'windowBytes'>;
  /** Read, and not yet dealt with. */
  #held: ReadRecords | undefined;
  #readTo: number;
  /** Called when records that are gone were passed over. */
  onSkipped: () => void = () => {};

  constructor(side: DrainSide, lanes: Lanes, limits: Pick<SegmentedLogDrainLimits, 'window' | 'windowBytes'>) {
    this.#side = side;
    this.#lanes = lanes;
    this.#limits = limits;
    this.#readTo = side.progress.next;
  }

  /** `more`: there may be more at once. `full`: not before something is sent. `empty`: not before something is appended. Rejects when the disk does not give it. */
  async fill(): Promise<'more' | 'full' | 'empty'> {
    const { progress } = this.#side;
    for (let frames = 0; frames < FRAMES; frames += 1) {
      if (this.#isFull()) return 'full';
      const records = (this.#held ??= await this.#side.read());
      if (records === undefined) return 'empty';
      const { first, count, messages } = records;
      if (messages.length === 0) {
        // Where records are gone, everything before them is finished first: no lane is left to be held up by them.
        if (progress.next < first) return 'full';
        progress.jump(first + count);
        this.onSkipped();
      }
      this.#held = undefined;
      this.#readTo = first + count;
      for (const [index, message] of messages.entries()) {
        const number = first + index;
        if (!progress.has(number)) this.#lanes.add({ number, message });
      }
    }
    return 'more';
  }

  #isFull(): boolean {
    const { count, bytes } = this.#lanes;
    return count >= this.#limits.window || bytes >= this.#limits.windowBytes || this.#readTo - this.#side.progress.next >= PROGRESS_SPAN;
  }
}
