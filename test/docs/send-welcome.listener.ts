import { defineMessageListener } from '../../src/index.ts';

export const mail = { send: async (_to: string): Promise<void> => {} };

export const sendWelcome = defineMessageListener<{ address: string }>({
  name: 'send-welcome',
  topic: 'signups',
  group: 'welcome',
  retry: { maxDeliveries: 3, baseMs: 60_000, maxMs: 60_000 },
  process: ({ payload }) => mail.send(payload.address),
});
