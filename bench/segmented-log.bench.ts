import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutgoingMessage } from '../src/broker/message.ts';
import { segmentedLog } from '../src/segmented-log/segmented-log.ts';
import { startSegmentedLogDrain } from '../src/segmented-log/segmented-log-drain.ts';
import type { FsyncPolicy } from '../src/segmented-log/segmented-log-options.ts';
import { interleave, measured, ratios } from './measure.ts';
import type { Measured, Section } from './section.ts';
import { LevelLog } from './segmented-log/level-log.ts';

const BODY_BYTES = 200;
/** How many append at once. */
const PLACES = [1, 16, 256];
/** Of one round. */
const ROUND_MS = 1_500;

/** Appends with a sync for each group, on segments and in LevelDB; then how fast either is emptied, and opened again after 100,000 records. */
export const benchSegmentedLog: Section = async ({ isQuick, signal, say }) => {
  const directory = mkdtempSync(join(tmpdir(), 'checkback-bench-log-'));
  const options = { repeats: isQuick ? 1 : 5, warmUps: isQuick ? 0 : 1, signal, onRound: say };
  const records = isQuick ? 5_000 : 100_000;
  let names = 0;
  const place = (): string => join(directory, String((names += 1)));
  const figures: Record<string, Measured> = {};
  const headline: Record<string, number> = {};
  try {
    const roundMs = isQuick ? ROUND_MS / 10 : ROUND_MS;
    for (const places of PLACES) {
      const rates = await interleave(
        {
          segments: () => appendRate(segments(place(), 'always'), places, roundMs),
          every10ms: () => appendRate(segments(place(), { everyMs: 10 }), places, roundMs),
          level: () => appendRate(level(place()), places, roundMs),
        },
        { ...options, onRound: (line) => say(`${places} at once: ${line}`) },
      );
      const versus = ratios(rates['segments']!, rates['level']!);
      headline[`appendVsLevel${places}`] = versus.median;
      figures[`segments${places}`] = measured('appends/s', rates['segments']!);
      figures[`segmentsEvery10ms${places}`] = measured('appends/s', rates['every10ms']!);
      figures[`level${places}`] = measured('appends/s', rates['level']!);
      figures[`appendVsLevel${places}`] = versus;
    }
    // Opened when they are full, then drained: both figures of a round come from one filling.
    const opened: Record<string, number[]> = { segments: [], level: [] };
    const drained = await interleave(
      {
        segments: () => openAndDrain(segments, place(), records, opened['segments']!),
        level: () => openAndDrain(level, place(), records, opened['level']!),
      },
      { ...options, onRound: (line) => say(`drained: ${line}`) },
    );
    const drainVsLevel = ratios(drained['segments']!, drained['level']!);
    headline['drainVsLevel'] = drainVsLevel.median;
    figures['drainSegments'] = measured('messages/s', drained['segments']!);
    figures['drainLevel'] = measured('messages/s', drained['level']!);
    figures['drainVsLevel'] = drainVsLevel;
    figures['openSegments'] = measured('ms', opened['segments']!.slice(options.warmUps));
    figures['openLevel'] = measured('ms', opened['level']!.slice(options.warmUps));
    headline['openMs'] = figures['openSegments'].median;
    return {
      headline,
      conditions: {
        bodyBytes: BODY_BYTES,
        roundMs,
        recordsOpenedAndDrained: records,
        level: 'classic-level 3.0.0, sync: true, our group commit in front, compression off',
        disk: tmpdir(),
      },
      measured: figures,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

/** What both have in common here. */
interface BenchedLog {
  open(): Promise<void>;
  append(message: OutgoingMessage): Promise<void>;
  drain(send: () => Promise<void>, count: number): Promise<void>;
  close(): Promise<void>;
}

function segments(directory: string, fsync: FsyncPolicy = 'always'): BenchedLog {
  const log = segmentedLog({ directory, fsync });
  return {
    open: () => log.start(),
    append: (message) => log.append([message]),
    drain: async (send) => {
      const sender = {
        send: async () => {
          await send();
          return { messageId: 'id' };
        },
        close: async () => {},
      };
      const drain = startSegmentedLogDrain({ log, sender });
      await drain.close(600_000);
    },
    close: () => log.close(),
  };
}

function level(directory: string): BenchedLog {
  const log = new LevelLog(directory);
  return { open: () => log.open(), append: (message) => log.append(message), drain: (send) => log.drain(send), close: () => log.close() };
}

/** Another object each time, as publishers make them. */
const message = (index: number): OutgoingMessage => ({
  topic: 'orders',
  tag: 'placed',
  keys: [`order-${index}`],
  properties: { 'checkback-tx': `0199f000-0000-7000-8000-${String(index).padStart(12, '0')}`, 'checkback-owner': 'shop' },
  body: Buffer.alloc(BODY_BYTES, 1),
});

async function fill(log: BenchedLog, places: number, isDone: (appended: number) => boolean): Promise<number> {
  let next = 0;
  const place = async (): Promise<void> => {
    while (!isDone(next)) await log.append(message((next += 1)));
  };
  await Promise.all(Array.from({ length: places }, place));
  return next;
}

async function appendRate(log: BenchedLog, places: number, roundMs: number): Promise<number> {
  await log.open();
  await log.append(message(0));
  const startedAt = performance.now();
  const appended = await fill(log, places, () => performance.now() - startedAt >= roundMs);
  const rate = (appended / (performance.now() - startedAt)) * 1_000;
  await log.close();
  return rate;
}

/** Messages a second; puts the milliseconds of opening into `opened`. The broker answers in a turn of the event loop. */
async function openAndDrain(
  make: (directory: string) => BenchedLog,
  directory: string,
  records: number,
  opened: number[],
): Promise<number> {
  const full = make(directory);
  await full.open();
  await fill(full, 1_000, (appended) => appended >= records);
  await full.close();
  const log = make(directory);
  let startedAt = performance.now();
  await log.open();
  opened.push(performance.now() - startedAt);
  let sent = 0;
  startedAt = performance.now();
  await log.drain(async () => {
    sent += 1;
    await new Promise(setImmediate);
  }, records);
  const rate = (records / (performance.now() - startedAt)) * 1_000;
  if (sent !== records) throw new Error(`${sent} of ${records} messages were drained`);
  await log.close();
  return rate;
}
