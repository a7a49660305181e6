import { defineConfig } from 'vitest/config';

/** The real stack is started once for both projects that need it, and only when one of them runs. */
const onRealStack = { globalSetup: ['test/support/stack.setup.ts'], pool: 'forks' as const, testTimeout: 120_000, hookTimeout: 240_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.int.test.ts', 'test/**/*.e2e.test.ts', 'test/package/**', '**/node_modules/**'],
          testTimeout: 60_000,
        },
      },
      // Packs and installs the tarball: needs the package registry, and a minute.
      { test: { name: 'package', include: ['test/package/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 } },
      { test: { ...onRealStack, name: 'int', include: ['test/**/*.int.test.ts'] } },
      // One file at a time: they share one broker on a small machine, and some of them kill it.
      { test: { ...onRealStack, name: 'e2e', include: ['test/**/*.e2e.test.ts'], fileParallelism: false } },
    ],
  },
});
