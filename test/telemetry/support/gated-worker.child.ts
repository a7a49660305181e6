import { defineConfig, defineMessageListener } from '../../../src/index.ts';

/** A worker whose only delivery ends when the test says so. */
export default defineConfig({
  owner: 'gated',
  messageListeners: [
    defineMessageListener<{ gate: string }>({
      name: 'wait-at-gate',
      topic: 'jobs',
      group: 'gated-workers',
      process: async ({ payload }) => void (await fetch(payload.gate)),
    }),
  ],
});
