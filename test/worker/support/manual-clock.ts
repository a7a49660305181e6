import { setImmediate } from 'node:timers/promises';
import { ManualClock as TestingClock } from '../../../src/embedded/manual-clock.ts';

/** The clock of `checkback/testing`, at a fixed time, for tests that wait for promises and for no network. */
export class ManualClock extends TestingClock {
  constructor() {
    super({ start: 1_700_000_000_000, settle: settled });
  }

  /** Sleeps that have neither ended nor been aborted. */
  get timers(): number {
    return this.sleepers;
  }
}

/** Every promise that can go on without time passing has gone on. */
export const settled = async (): Promise<void> => {
  await setImmediate();
};
