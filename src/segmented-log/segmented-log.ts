import type { OutgoingMessage } from '../broker/message.ts';
import { ClosedError, ConfigurationError, SegmentedLogError } from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { messageOf } from '../shared/error-message.ts';
import { silentLogger } from '../shared/logger.ts';
import type { AfterCommitLog } from '../transaction/after-commit-log.ts';
import { nodeFileSystem } from './file-system.ts';
import { LogOnDisk } from './log-on-disk.ts';
import type { DrainSide } from './drain-side.ts';
import type { LogStateKind } from './log-state.ts';
import type { ParkedInLog } from './parked-file.ts';
import { checkSegmentedLogChoices, resolveSegmentedLogLimits, type SegmentedLogOptions } from './segmented-log-options.ts';

/** What is in a log now. */
export interface SegmentedLogStats {
  readonly state: LogStateKind;
  /** Appended, and neither sent nor parked. */
  readonly waiting: number;
  readonly parked: number;
  /** On disk, parked messages included. */
  readonly bytes: number;
  readonly segments: number;
}

/**
 * A log on the application's own disk that takes messages once COMMIT is certain. What is in it survives the process;
 * it does not survive the disk, and what a crash catches between COMMIT and `append` was never in it.
 */
export interface SegmentedLog extends AfterCommitLog {
  readonly directory: string;
  stats(): SegmentedLogStats;
  /** Messages the broker refused for good, oldest first. */
  parked(): AsyncIterable<ParkedInLog>;
  /** A person's decision on a parked message: appended again, behind everything else. False when it is not parked. Killed in between it is sent and still parked. */
  resend(number: number): Promise<boolean>;
  /** For `startSegmentedLogDrain`. Starts the log if nobody has. Rejects with `ConfigurationError` while another drain has it. */
  openDrainSide(): Promise<DrainSide>;
  /** Lets appends in progress finish, makes everything durable and gives the directory back. Close the drain before. Idempotent; never rejects. */
  close(): Promise<void>;
}

/**
 * A log in `directory`. Asks the disk for nothing before `start()`. Throws `RangeError` naming a wrong figure and
 * `ConfigurationError` naming a wrong choice.
 */
export function segmentedLog(options: SegmentedLogOptions): SegmentedLog {
  return segmentedLogOn(nodeFileSystem, options);
}

/** The same on another disk. */
export function segmentedLogOn(fileSystem: typeof nodeFileSystem, options: SegmentedLogOptions): SegmentedLog {
  checkSegmentedLogChoices(options);
  const limits = resolveSegmentedLogLimits(options);
  const { directory, fsync = 'always', onAppendFailure = 'compensate', onDamage = 'refuse', logger = silentLogger } = options;
  const log = new LogOnDisk({ fileSystem, directory, limits, fsync, onDamage, logger, clock: options.clock ?? systemClock });
  let starting: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const start = (): Promise<void> => {
    if (closing !== undefined) return Promise.reject(new ClosedError(`the segmented log in ${directory} is closed`));
    starting ??= log.open().catch((error: unknown) => {
      starting = undefined;
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError(`segmented log: ${directory} cannot be used: ${messageOf(error)}`, { cause: error });
    });
    return starting;
  };

  return {
    directory,
    onAppendFailure,
    start,
    admit(messages) {
      log.requireOpen();
      log.requireFit(messages);
      if (log.bytes >= limits.maxBytes)
        throw new SegmentedLogError(
          `the segmented log in ${directory} is full: ${log.bytes} of ${limits.maxBytes} bytes (maxBytes) wait for the broker`,
          {
            reason: 'full',
          },
        );
    },
    append: async (messages) => log.append(messages),
    stats: () => log.stats(),
    parked: () => log.parkedMessages(),
    async resend(number) {
      log.requireOpen();
      let found: OutgoingMessage | undefined;
      for await (const parked of log.parkedMessages()) if (parked.number === number) found = parked.message;
      if (found === undefined) return false;
      await log.append([found]);
      await log.forgetParked(number);
      return true;
    },
    async openDrainSide() {
      await start();
      return log.drainSide();
    },
    close() {
      closing ??= (async () => {
        await starting?.catch(() => {});
        await log.close();
      })();
      return closing;
    },
  };
}
