import { describe, expect, it, vi } from 'vitest';
import { openOrm } from '../../src/store/open-orm.ts';

vi.mock('@mikro-orm/sqlite', () => {
  throw new Error("Cannot find package '@mikro-orm/sqlite'");
});

describe('A sqlite: url without the package for it', () => {
  it('is refused with what to install', async () => {
    await expect(openOrm({ url: 'sqlite:///tmp/none/a.db', entities: [] })).rejects.toMatchObject({
      code: 'CB_CONFIGURATION',
      message: expect.stringMatching(/npm install @mikro-orm\/sqlite@7\.2\.1/) as unknown,
    });
  });
});
