import { segmentedLog } from '../../../src/segmented-log/segmented-log.ts';
import { loggedMessageOf } from './logged-message.ts';

/** Appends with 16 places until it is killed, and tells the number of each append that resolved. Arguments: directory, name of this life. */
const [directory, life] = process.argv.slice(2) as [string, string];
const log = segmentedLog({ directory, segmentBytes: 8_192 });
await log.start();
let number = 0;
const place = async (of: number): Promise<void> => {
  for (;;) {
    const tag = `${life}-${of}-${number++}`;
    await log.append([loggedMessageOf(`${tag}-a`), loggedMessageOf(`${tag}-b`)]);
    process.send?.(tag);
  }
};
await Promise.all(Array.from({ length: 16 }, (_, of) => place(of)));
