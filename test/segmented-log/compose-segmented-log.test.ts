import { describe, expect, it } from 'vitest';
import { composeSegmentedLog } from '../../src/cli/compose-segmented-log.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { loggedMessage, logIn, newDirectory, tagsIn } from './support/directories.ts';

const endpoints = '127.0.0.1:1';

describe('The segmented log of a configuration', () => {
  it('takes messages, drains by itself unless told not to, and gives the directory back when it is closed', async () => {
    for (const drain of [true, false]) {
      const directory = newDirectory();
      const composed = composeSegmentedLog({ endpoints, segmentedLog: { directory, onAppendFailure: 'report', drain } }, silentLogger);
      const { log } = composed.part;
      expect(log.onAppendFailure).toBe('report');
      await log.start();
      await log.append([loggedMessage('m')]);
      await composed.close(0);
      const next = logIn(directory);
      await next.start();
      expect(await tagsIn(next)).toEqual(['m']);
    }
  });

  it('refuses a directory that depends on where the process was started, and none at all', () => {
    for (const segmentedLog of [{ directory: 'outbox-log' }, undefined])
      expect(() => composeSegmentedLog({ endpoints, ...(segmentedLog && { segmentedLog }) }, silentLogger)).toThrow(
        'segmentedLog.directory must be an absolute path, such as join(import.meta.dirname',
      );
  });
});
